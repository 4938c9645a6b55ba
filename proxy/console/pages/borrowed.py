"""Words of the rest of the program that pages show in the reader's language.

They are written here once more because the catalogues are made from the pages; a test
compares them with where they come from.
"""

from typing import Final

from proxy.console.pages.words import N_

ACCESS: Final = (
    *(N_("person"), N_("token")),
    *(N_("viewer"), N_("operator"), N_("admin")),
)
"""Kinds of access and roles."""
