"""What the chat probe has found, as properties."""

from proxy.cli.screen.chat_probe import LABEL, chat_probe_rows


def row(name: str = "fe1.test", pool: str = "pool.test", *, is_good: bool = True):
    told = {"front_end": name, "pool": pool, "success": is_good, "ago": 5.0}
    return {**told, "step": "join", "reason": "no answer", "state_for": 90.0}


def found(*rows, every: float = 60.0, by: str = ""):
    return {"every": every, "by": by, "front_ends": list(rows)}


def test_without_a_probe_nothing_is_said() -> None:
    assert chat_probe_rows(None) == [] and chat_probe_rows(found(every=0.0)) == []


def test_before_the_first_round_it_says_who_does_it() -> None:
    assert chat_probe_rows(found()) == [(LABEL, "no round has ended yet")]
    assert chat_probe_rows(found(by="node 2")) == [(LABEL, "done by node 2")]


def test_good_ones_are_counted_and_each_red_one_has_a_line() -> None:
    rows = chat_probe_rows(found(row(), row("fe2.test", is_good=False)))
    assert rows[0] == (LABEL, "1 of 2 front ends serve chat, 5 s ago")
    ((label, text),) = rows[1:]
    assert label == "" and text.startswith("fe2.test: join: no answer (for ")


def test_of_one_pool_only_its_own_are_told() -> None:
    told = found(row(), row("fe9.test", "other.test", is_good=False))
    assert chat_probe_rows(told, "pool.test") == [
        (LABEL, "1 of 1 front ends serve chat, 5 s ago")
    ]
