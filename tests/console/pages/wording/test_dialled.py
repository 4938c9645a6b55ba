"""Who still dials an endpoint, in one line."""

from dataclasses import replace

from proxy.admin.usage import DAY, UsageView
from proxy.console.pages.wording.dialled import dialled
from proxy.console.pages.words import languages
from proxy.endpoints.usage import Usage, summarise

KEY, NOW = "chat@contoso.test", 20_000 * DAY + 3600.0
ENGLISH, ITALIAN = languages()["en"], languages()["it"]


def view(*ages):
    rows = [
        Usage(KEY, f"user{n}@contoso.test", NOW - age * DAY, NOW - age * DAY, 1)
        for n, age in enumerate(ages)
    ]
    return UsageView(KEY, None, summarise(KEY, rows, 0.0, NOW, 14), rows, NOW)


def test_one_and_several_users():
    assert dialled(ENGLISH, view(1)) == "1 user in the last 14 days"
    assert dialled(ENGLISH, view(1, 2)) == "2 users in the last 14 days"
    assert dialled(ITALIAN, view(1)) == "1 utente negli ultimi 14 giorni"
    assert view(1, 2).sentence == dialled(ENGLISH, view(1, 2))


def test_nobody_for_a_while_and_nobody_ever():
    assert "nobody for 20 days; the last was user0" in dialled(ENGLISH, view(20))
    assert dialled(ENGLISH, view()) == "never used since it was created"


def test_where_nobody_counts_nothing_is_said_of_users():
    found = dialled(ENGLISH, replace(view(1), is_counted=False))
    assert found.startswith("unknown, nobody counts")
