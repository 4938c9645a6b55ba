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

VERDICTS: Final = (N_("ok"), N_("warning"), N_("failed"), N_("unknown"))
"""What the doctor makes of a step."""

STEPS: Final = (
    N_("The new pool is deployed and empty"),
    N_("The old rooms are tidied up: categories, names, managers"),
    N_("The new pool answers"),
    N_("The old service is registered here, clients reach it"),
    N_("All services are stopped, both databases are backed up"),
    N_("Rooms are exported and imported, files are copied"),
    N_("The well-known user is deleted from Active Directory"),
    N_("Nobody is registered as the well-known user any more"),
    N_("The services of the new pool run again"),
    N_("The endpoints lead to the new pool"),
    N_("Every endpoint is well"),
    N_("The first real client was served"),
    N_("The old service stays away"),
    N_("The cutover is confirmed"),
    N_("The old service is decommissioned, its trusted application with it"),
    N_("Further pools are deployed where wanted, each with its endpoint"),
    N_("Nobody dials the old addresses any more"),
)
"""What the steps of the runbook are called."""
