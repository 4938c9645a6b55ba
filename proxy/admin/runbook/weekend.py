"""The steps of the migration weekend, and Microsoft's pages on them.

The order is that of Microsoft's documented migration, with one difference: the new
pool's services are started before the address is switched, because no client can reach
them before, and the switch wants to see them answer.
"""

from typing import Final

from proxy.admin.runbook.steps import (
    ROLLBACK,
    StepToDo,
    account_is_gone,
    client_was_seen,
    endpoints_are_well,
    is_confirmed,
    is_quiet,
    is_registered,
    is_silent,
    leads_there,
    no_ghost,
    pool_answers,
)

_MIGRATION: Final = (
    "Migration from Lync Server 2010, Group Chat or Office Communications Server 2007 "
    "R2 Group Chat to Lync Server 2013, Persistent Chat Server"
)
_DETAILS: Final = "Migration process - details"
_BACKWARD: Final = "Run backward compatibility for Persistent Chat Server"
_COEXISTENCE: Final = "Coexistence considerations"
TOPICS: Final = (
    *(_MIGRATION, "Standard migration scenario - high level", _DETAILS, _COEXISTENCE),
    "Configuring Persistent Chat Server by using Windows PowerShell cmdlets",
    *(_BACKWARD, "Get Persistent Chat Server pool availability"),
    "Monitoring, starting, and stopping the Persistent Chat services",
    "Troubleshooting Persistent Chat Server configuration using Windows PowerShell "
    "cmdlets",
)
"""The titles of Microsoft's pages on the migration, in their order."""

STEPS: Final = (
    StepToDo(
        "deploy",
        "The new pool is deployed and empty",
        "waypost runbook --done deploy",
        "nothing to take back",
        topic=_MIGRATION,
    ),
    StepToDo(
        "tidy",
        "The old rooms are tidied up: categories, names, managers",
        "waypost runbook --done tidy",
        "nothing to take back",
        topic=_DETAILS,
    ),
    StepToDo(
        "pool",
        "The new pool answers",
        "waypost doctor --plan FILE",
        "nothing to take back",
        pool_answers,
        once=True,
        topic=TOPICS[6],
    ),
    StepToDo(
        "old-way",
        "The old service is registered here, clients reach it",
        "waypost binding list",
        "point the clients' DNS back to the old servers",
        is_registered,
        once=True,
    ),
    StepToDo(
        "backup",
        "All services are stopped, both databases are backed up",
        "waypost runbook --done backup",
        "start the services again",
        topic=_DETAILS,
    ),
    StepToDo(
        "data",
        "Rooms are exported and imported, files are copied",
        "waypost runbook --done data",
        "restore the new pool's database",
        topic=_DETAILS,
    ),
    StepToDo(
        "account",
        "The well-known user is deleted from Active Directory",
        "waypost runbook --facts FILE, or --done account",
        "create the user again and enable it for SIP",
        account_is_gone,
        topic=_BACKWARD,
    ),
    StepToDo(
        "silence",
        "Nobody is registered as the well-known user any more",
        "waypost binding list",
        "start the old Lookup service again",
        is_silent,
    ),
    StepToDo(
        "start",
        "The services of the new pool run again",
        "waypost doctor --plan FILE --journey",
        "stop them again",
        pool_answers,
        topic=TOPICS[7],
    ),
    StepToDo(
        "cutover",
        "The endpoints lead to the new pool",
        'waypost cutover apply FILE --guard "5 %" --probe --confirm-within 30',
        ROLLBACK,
        leads_there,
        topic=_BACKWARD,
    ),
    StepToDo(
        "doctor",
        "Every endpoint is well",
        "waypost doctor --journey",
        ROLLBACK,
        endpoints_are_well,
    ),
    StepToDo(
        "client",
        "The first real client was served",
        "waypost usage --watch",
        ROLLBACK,
        client_was_seen,
        topic=_BACKWARD,
    ),
    StepToDo(
        "ghost",
        "The old service stays away",
        "waypost doctor",
        ROLLBACK,
        no_ghost,
    ),
    StepToDo(
        "confirm",
        "The cutover is confirmed",
        "waypost cutover confirm",
        ROLLBACK,
        is_confirmed,
    ),
    StepToDo(
        "legacy",
        "The old service is decommissioned, its trusted application with it",
        "waypost runbook --done legacy",
        "restore it from its backup",
        later=True,
        topic=_DETAILS,
    ),
    StepToDo(
        "further",
        "Further pools are deployed where wanted, each with its endpoint",
        "waypost endpoint new ..., or waypost runbook --done further",
        "waypost endpoint remove ADDRESS",
        later=True,
        topic=_COEXISTENCE,
    ),
    StepToDo(
        "retire",
        "Nobody dials the old addresses any more",
        "waypost usage",
        "waypost endpoint undo N",
        is_quiet,
        later=True,
        topic=_COEXISTENCE,
    ),
)
