"""The one place that reads time.

Everything else takes ``now: float`` as an argument: seconds of the monotonic clock
in the core and the transactions, seconds since the epoch wherever a value is stored
or shown.
"""

import time as _time

monotonic = _time.monotonic
"""Seconds that never go back; the core's clock."""

wall = _time.time  # noqa: TID251 - this module is the exception to the rule
"""Seconds since the epoch (UTC); the clock of stored and displayed instants."""
