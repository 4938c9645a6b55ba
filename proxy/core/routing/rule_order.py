"""The names of the rules of section 16.5 in their order, for whoever asks who decided.

``Router.decide`` is the order itself; each rule that has nothing to say passes ``no``.
"""

from collections.abc import Sequence
from typing import Final

from proxy.core.routing.target import Decision

RULES: Final = (
    *("dialog", "route", "ourselves", "endpoint", "pool", "learned"),
    *("contact", "binding", "store", "default", "nowhere"),
)
BEFORE_OURSELVES: Final = RULES[: RULES.index("ourselves")]
"""What a request that may go no further is not asked."""


def no(notes: list[str] | None, rule: str) -> Decision | None:
    """This rule has nothing to say of the request; noted for whoever wants to know."""
    if notes is not None:
        notes.append(rule)
    return None


def decided_by(notes: Sequence[str]) -> str:
    """The rule that decided, after those that said nothing."""
    return RULES[len(notes)]
