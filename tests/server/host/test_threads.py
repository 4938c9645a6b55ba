"""Threads take turns."""

import sys

from proxy.server.host.threads import share_fairly


def test_no_thread_keeps_the_interpreter_for_longer_than_some_messages_take() -> None:
    before = sys.getswitchinterval()
    try:
        share_fairly()
        assert sys.getswitchinterval() <= 0.001
    finally:
        sys.setswitchinterval(before)
