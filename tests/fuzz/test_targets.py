"""Every target with its corpus, and with what the engine makes of it for a while.

`WAYPOST_FUZZ` says for how many seconds all together (60); `WAYPOST_SEED` draws other
inputs than the usual ones.  An input that breaks a target belongs into its corpus.
"""

import os
from pathlib import Path

import pytest
from hypothesis import given

from tests.fuzz.engine import Broken, Engine
from tests.fuzz.targets import TARGETS
from tests.property.test_parse import anything

SECONDS = float(os.environ.get("WAYPOST_FUZZ", "60"))
SEED = int(os.environ.get("WAYPOST_SEED", "1"))
CORPUS = Path(__file__).parent / "corpus"


def inputs(name: str) -> list[bytes]:
    """The corpus of a target."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_for_its_corpus(name):
    engine = Engine(name, TARGETS[name], inputs(name), SEED)
    for data in engine.corpus:
        engine.try_one(data)
    assert engine.tried >= 3


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_for_whatever_is_made_of_its_corpus(name):
    engine = Engine(name, TARGETS[name], inputs(name), SEED)
    assert engine.run(SECONDS / len(TARGETS)) > 10


@given(anything)
def test_targets_of_messages_hold_for_messages_of_our_grammar(data):
    for name in ("message", "framing"):
        TARGETS[name](data)


def test_what_breaks_a_target_is_found_and_made_small():
    def target(data: bytes) -> None:
        assert b";;" not in data, "two in a row"

    engine = Engine("two", target, [b"INVITE sip:a@b;lr SIP/2.0\r\n" * 20], SEED)
    with pytest.raises(Broken, match="two in a row") as caught:
        engine.run(20)
    assert caught.value.data == b";;"
