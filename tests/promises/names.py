"""R4: a day without DNS, on a virtual clock, with the resolver's own memory."""

from tests.promises.model import Outcome, Room
from tests.promises.suites import tests_pass


def a_day_without_dns(room: Room) -> Outcome:
    """R4: front ends are handed out for a day, marked as stale."""
    return tests_pass(
        "tests of a day without DNS passed",
        *("tests/pools/test_refresh.py", "tests/wire/test_resolver.py"),
        *("-k", "day or stale or dns_fails or never_evicts"),
    )
