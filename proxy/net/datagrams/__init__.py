"""UDP: the sockets of a listener, and how it sheds load while they are never empty."""
