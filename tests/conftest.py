"""Hypothesis profiles: the same examples every time here, many new ones on demand.

WAYPOST_HYPOTHESIS=long draws WAYPOST_EXAMPLES (15,000) at random for each property.
"""

import os

from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=_QUIET,
)
settings.register_profile(
    "long",
    max_examples=int(os.environ.get("WAYPOST_EXAMPLES", "15000")),
    deadline=None,
    suppress_health_check=_QUIET,
)
settings.load_profile(os.environ.get("WAYPOST_HYPOTHESIS", "ci"))
