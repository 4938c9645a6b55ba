"""What Microsoft's page says of such an endpoint stands where an administrator looks.

Each statement with the page it belongs to and the words that carry it; a page may
say it in its own way, as long as the words are in one paragraph or one row of a table.
"""

import re
from pathlib import Path

import pytest

from proxy.admin.runbook.weekend import STEPS, TOPICS

DOCS = Path(__file__).parents[1] / "docs"
STATEMENTS = {
    # What it is for.
    "it serves legacy clients only": ("clients", "serves legacy clients only"),
    "of OCS 2007 R2 and Lync 2010": ("clients", "2007 R2", "Lync 2010"),
    "an address that can be entered by hand": ("clients", "simple address", "by hand"),
    "Persistent Chat does not use it": (
        "clients",
        "Persistent Chat itself does not use",
    ),
    "usage counts legacy clients alone": ("cli", "legacy clients only", "isn't used"),
    "it is for the interim": ("clients", "interim", "rooms are on the new pool"),
    "the weekend's page sends there": ("migration", "clients.md", "interim"),
    # How many.
    "one for each pool is enough": ("clients", "One endpoint for each pool is enough"),
    "several are allowed": ("clients", "several pools", "each have their own"),
    "a client uses one pool at a time": ("clients", "one pool at a time"),
    "one legacy pool moves to one new pool": ("clients", "one legacy pool", "one new"),
    "one alias for each SIP domain": ("clients", "One alias for each SIP domain"),
    "also where the endpoint is made": ("topologies", "endpoint for each SIP domain"),
    # The address.
    "the default address": ("clients", "default address", "ocschat@"),
    "a user that the Lookup service registers as": (
        "clients",
        "well-known user",
        "SIP",
    ),
    "the same address is taken over": ("clients", "same", "account must be gone"),
    # What to type.
    "nothing with the old address": ("clients", "nothing has to be typed"),
    "the policy": ("clients", "LookupServerUri", "sip:persistentchat@contoso.com"),
    "Microsoft's name for it": ("clients", "contact object", "lookup address"),
    "the client of 2007 R2": ("clients", "Group Chat client of OCS 2007 R2"),
    "the client of 2010": ("clients", "Edit Domains", "Lookup Server URI"),
    "programs": ("clients", "App.config"),
    "straight to Waypost": ("clients", "ConfigurationMode", "5061"),
    # The order.
    "the new pool is there before": ("migration", "new pool", "before", "deployed"),
    "users are offline meanwhile": ("migration", "offline"),
    "stop, move, delete, same address, start": ("migration", "same address", "delete"),
    "we start the new services before": ("migration", "one difference", "needs them"),
    "users sign in again": ("migration", "sign in again", "nothing is reconfigured"),
    "later the old service is removed": ("migration", "decommission", "uninstall"),
    "removing the old application spares ours": ("migration", "**old** pool"),
    "later further pools": ("migration", "further pools", "endpoint of its own"),
    # What nobody knows.
    "the script was never run": ("facts", "never run against a real deployment"),
    "what is not confirmed is unknown": (
        "facts",
        "take what they cannot see for unknown",
    ),
    "names of services": ("facts", "Windows names of the services"),
    "properties": ("facts", "Get-CsPersistentChatEndpoint", "really print"),
    "precedence": ("facts", "precedence of users, contacts and static routes"),
    "publication": ("facts", "Enable-CsTopology", "nearest evidence"),
    "policy of a legacy client's user": ("facts", "EnablePersistentChat", "amber"),
    "2019 has no Persistent Chat": ("topologies", "2019 has no Persistent Chat"),
}


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).lower()


def passages(page: str) -> list[str]:
    """Paragraphs, points of a list and rows of a table."""
    text = (DOCS / f"{page}.md").read_text()
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:[*|]|\d+\.) )|\n(?=\|)", text)
    return [plain(part) for part in parts]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_page_says(statement: str) -> None:
    page, *words = STATEMENTS[statement]
    wanted = [plain(each) for each in words]
    found = [x for x in passages(page) if all(each in x for each in wanted)]
    assert found, f"docs/{page}.md should say: {statement} ({', '.join(words)})"


def test_microsofts_topics_are_named_by_their_titles() -> None:
    page = plain((DOCS / "migration.md").read_text())
    for title in TOPICS:
        assert plain(title) in page, title


def test_every_step_of_the_runbook_belongs_to_a_topic_or_says_that_it_is_ours() -> None:
    for step in STEPS:
        assert not step.topic or step.topic in TOPICS, step.name
    assert {step.topic for step in STEPS if step.later} <= set(TOPICS)
    assert [s.name for s in STEPS if s.later] == ["legacy", "further", "retire"]
