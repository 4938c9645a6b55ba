"""An hour of ordinary calls is no reason to roll back: the core on a virtual clock."""

import random

from proxy.endpoints.guard import GuardBook, Recent, Tally
from proxy.endpoints.model import Cutover, Guard, Switch
from tests.support.messages import request
from tests.support.playbook import OTHER_POOL, Playbook, endpoint

HOUR = 3600
GUARD = Guard(5.0, 20, until=9e9)


def armed() -> Cutover:
    """From another pool to the one that answers."""
    switch = Switch(endpoint(pool=OTHER_POOL), endpoint())
    return Cutover(1, "applied", "p", 0.0, "me", switches=(switch,), guard=GUARD)


def play_hour(play: Playbook, one_call) -> list[tuple[Tally, bool]]:
    """A call each second; what the guard sees after each."""
    book, counts, seen, recent = GuardBook(armed), {}, [], Recent()
    for number in range(HOUR):
        one_call(number)
        for record in play.access:
            book.count(record, play.now)
        play.access.clear()
        for what, count in book.take()[1].items():
            counts[what] = counts.get(what, 0) + count
        lately = recent.note(1, counts, play.now)
        seen.append((Tally.of(counts), recent.is_too_much(lately, GUARD)))
        play.sent.clear()
        play.advance_quietly(1.0)
    return seen


def invite(number: int, user: int) -> bytes:
    return request(
        branch=f"z9hG4bK-{number}",
        call_id=f"call-{number}",
        from_=f"<sip:u{user}@contoso.test>;tag=t{number}",
    )


def test_a_clean_hour_with_all_that_people_do():
    """Challenges, people who may not chat or hang up, and now and then a lost call."""
    play = Playbook(front_ends=("fe1",))
    rng = random.Random(7)
    happened = {"challenge": 0, "forbidden": 0, "cancel": 0, "lost": 0}

    def one_call(number: int) -> None:
        play.send("client", invite(number, number % 200))
        what = rng.random()
        if what < 0.10:
            happened["challenge"] += 1
            play._script.clear()
            play.answer("fe1", 401)
        elif what < 0.12:
            happened["forbidden"] += 1
            play._script.clear()
            play.answer("fe1", 403)
        elif what < 0.15:
            happened["cancel"] += 1
            play._script.clear()
            play.answer("fe1", 100)
            play._script.clear()
            cancel = request(
                "CANCEL sip:ocschat@contoso.test",
                branch=f"z9hG4bK-{number}",
                call_id=f"call-{number}",
                from_=f"<sip:u{number % 200}@contoso.test>;tag=t{number}",
            )
            play.send("client", cancel)
            play._script.clear()
            play.answer("fe1", 487, to="INVITE")
        elif number % 400 == 399:
            happened["lost"] += 1
            play._script.clear()
            play.answer("fe1", 500)
        else:
            play._script.clear()
            play.answer("fe1", 200)
        play._script.clear()

    seen = play_hour(play, one_call)
    assert all(count > 5 for count in happened.values()), happened
    assert not any(tally.is_too_much(GUARD) or lately for tally, lately in seen)
    tally, _ = seen[-1]
    assert tally.failed == happened["lost"]
    assert tally.refused == happened["forbidden"]
    assert tally.calls > 3000


def test_the_same_hour_with_a_pool_that_breaks_half_way_is_not():
    play = Playbook(front_ends=("fe1",))

    def one_call(number: int) -> None:
        play.send("client", invite(number, number % 200))
        play._script.clear()
        play.answer("fe1", 200 if number < HOUR // 2 else 500)
        play._script.clear()

    seen = play_hour(play, one_call)
    first = next(n for n, (tally, _) in enumerate(seen) if tally.is_too_much(GUARD))
    assert HOUR // 2 < first < HOUR // 2 * 1.06
    # What was good for half an hour does not count for long.
    first = next(n for n, (_, lately) in enumerate(seen) if lately)
    assert HOUR // 2 < first < HOUR // 2 + 20
