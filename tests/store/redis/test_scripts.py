"""The Lua beside the module: every text is read, and has what Python looks for."""

import re
from pathlib import Path

from proxy.store.redis import scripts

FOLDER = Path(scripts.__file__).with_name("lua")
TEXTS = {path.stem: path.read_text() for path in FOLDER.glob("*.lua")}
READ = {
    name.lower(): value
    for name, value in vars(scripts).items()
    if re.fullmatch("[A-Z][A-Z_]+", name) and name not in ("PREFIX", "LOST")
}


def test_every_text_is_a_transaction_and_every_transaction_a_text():
    assert set(READ) == set(TEXTS) - {"prelude"}


def test_each_transaction_first_makes_sure_of_the_store():
    """All but the one that makes the store, which tells its identity."""
    for name, value in READ.items():
        before = "" if name == "set_up" else TEXTS["prelude"]
        assert value == before + TEXTS[name]


def test_the_errors_of_the_texts_are_those_that_python_knows():
    said = re.findall(r"error_reply\('(.*?)'\)", "".join(TEXTS.values()))
    assert len(said) == 2
    assert all(each.startswith(f"{scripts.LOST} ") for each in said)


def test_every_text_says_what_it_is():
    assert all(text.startswith("-- ") for text in TEXTS.values())
