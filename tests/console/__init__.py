"""The console, on real sockets."""
