"""The sections of the console, in the order in which a migration needs them."""

from dataclasses import dataclass
from typing import Final

from proxy.console.pages.words import N_


@dataclass(frozen=True, slots=True)
class Section:
    """One line of the navigation.

    ``is_whole`` is not divided by addresses, so not for a scope; ``role`` may open it.
    """

    path: str
    title: str
    icon: str
    role: str = "viewer"
    is_whole: bool = False


SECTIONS: Final = (
    Section("/now", N_("Now"), "now"),
    Section("/migration", N_("Migration"), "migration", is_whole=True),
    Section("/endpoints", N_("Endpoints"), "endpoints"),
    Section("/pools", N_("Pools"), "pools"),
    Section("/usage", N_("Usage"), "usage"),
    Section("/calls", N_("Calls"), "calls", "operator", is_whole=True),
    Section("/access", N_("Access"), "access", "admin", is_whole=True),
)
HOME: Final = "/now"


def inside(path: str) -> str:
    """The section to go on to; home for a path that is none.

    A stranger may have written the link that somebody followed, so we lead nowhere but
    to a section.
    """
    known = {each.path for each in SECTIONS}
    return path if path in known else HOME
