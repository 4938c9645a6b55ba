"""The transactions of the Redis store: the texts in ``lua/``, each read once.

Redis runs a script alone and logs it to disk as a whole, so its changes are made
completely or not at all.  Every key begins with ``{waypost}:`` (one hash slot), which
is ``KEYS[1]``.  ``ARGV[1]`` is the store's identity.  Numbers with a fraction are
passed as text, because Lua would round them.  Each file says what the other arguments
are, and what it returns.
"""

from pathlib import Path
from typing import Final

PREFIX: Final = "{waypost}:"
LOST: Final = "WAYPOSTLOST"
"""How the error of a script begins when the store is not the one that was opened."""

_FOLDER: Final = Path(__file__).with_name("lua")


def _text(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


_PRELUDE: Final = _text("prelude")


def _transaction(name: str) -> str:
    """A script after the prelude, which all but ``set_up`` need."""
    return _PRELUDE + _text(name)


SET_UP: Final = _text("set_up")
TRY_WRITE: Final = _transaction("try_write")
READ_TABLE: Final = _transaction("read_table")
NEWS: Final = _transaction("news")
LOOK_UP: Final = _transaction("look_up")
CHANGE: Final = _transaction("change")
LEARN: Final = _transaction("learn")
TOUCH_LEARNED: Final = _transaction("touch_learned")
FORGET_LEARNED: Final = _transaction("forget_learned")
SAVE_BINDINGS: Final = _transaction("save_bindings")
REMOVE_BINDINGS: Final = _transaction("remove_bindings")
FORGET_BINDINGS: Final = _transaction("forget_bindings")
SET_USER: Final = _transaction("set_user")
NOTE_CONFLICT: Final = _transaction("note_conflict")
ADD_USAGE: Final = _transaction("add_usage")
ADD_UNKNOWN: Final = _transaction("add_unknown")
FORGET_DAYS: Final = _transaction("forget_days")
FORGET_USER: Final = _transaction("forget_user")
SET_NOTE: Final = _transaction("set_note")
SET_ACCESS: Final = _transaction("set_access")
NOTE_ACCESS_USE: Final = _transaction("note_access_use")
NOTE_LOOK: Final = _transaction("note_look")
ANNOUNCE_NODE: Final = _transaction("announce_node")
HOLD_LEASE: Final = _transaction("hold_lease")
ADD_GUARDED: Final = _transaction("add_guarded")
RESTORE: Final = _transaction("restore")
SNAPSHOT: Final = _transaction("snapshot")
SWAP: Final = _transaction("swap")
