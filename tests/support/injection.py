"""Bugs at any call of the core: what tests/property/test_faults.py throws, and where.

A trace function sees every call of a Python function.  It raises at the one it is told
to, which looks to the code like a bug in that very function.  What is compiled cannot
be traced: `CAN_INJECT` says so.
"""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from inspect import CO_GENERATOR
from pathlib import Path
from types import CodeType, FrameType, FunctionType

import proxy.core.proxy
from proxy.core import tokens
from proxy.core.routing import lookup as lookups
from proxy.pools import srv
from proxy.sip import fields, plain_response, uri

PROXY = Path(proxy.__file__).parent
CAN_INJECT = proxy.core.proxy.__file__.endswith(".py")


class Injected(Exception):
    """A bug that nobody wrote."""


Call = tuple[int, CodeType, CodeType | None]
"""A turn of the core, a function, and who called it."""


class Calls:
    """The calls of functions of `proxy/` inside `on`, each kind of call once.

    `folders` are looked at; `spared` are names of files and of functions that nothing
    is thrown into.  The first call of the kind `target` raises.
    """

    def __init__(
        self,
        folders: tuple[str, ...],
        spared: frozenset[str] = frozenset(),
        target: Call | None = None,
    ) -> None:
        self._folders = tuple(str(PROXY / folder) for folder in folders)
        self._spared = spared
        self._target = target
        self._is_ours: dict[CodeType, bool] = {}
        self._turn = 0
        self.seen: dict[Call, None] = {}
        self.was_thrown = False

    @contextmanager
    def on(self, turn: int) -> Iterator[None]:
        """Trace what is called inside."""
        self._turn = turn
        if self._target is not None and self._target[0] != turn:
            yield
            return
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(None)

    def _called(self, frame: FrameType, event: str, _: object) -> Callable | None:
        code = frame.f_code
        is_ours = self._is_ours.get(code)
        if is_ours is None:
            is_ours = self._is_ours[code] = self._looks_at(code)
        if is_ours:
            caller = frame.f_back.f_code if frame.f_back else None
            if caller is not None and _is_within(code, caller):
                return None
            call = (self._turn, code, caller)
            self.seen[call] = None
            if call == self._target:
                self.was_thrown = True
                raise Injected(name_of(code))
        return None

    def _looks_at(self, code: CodeType) -> bool:
        file = code.co_filename
        return (
            file.startswith(self._folders)
            and code.co_name[:1] != "<"
            and code.co_name != "__repr__"
            and code.co_qualname not in self._spared
            and Path(file).name not in self._spared
        )


def _is_within(code: CodeType, caller: CodeType) -> bool:
    """True inside the parser, which keeps no state: its caller meets the same bug."""
    return all("/proxy/sip/" in each.co_filename for each in (code, caller))


def forget_what_is_kept() -> None:
    """Empty the caches of read header fields, so that all runs call the same."""
    for kept in (
        *(fields._via_heads, fields._cseqs, fields._tags, lookups._lookups),
        *(plain_response._methods, tokens._caller_marks, uri._uris),
    ):
        kept.clear()
    tokens._packed.cache_clear()
    tokens.host_mark.cache_clear()
    srv._numeric.cache_clear()


def name_of(code: CodeType) -> str:
    """`file.py:Class.function`."""
    return f"{Path(code.co_filename).name}:{code.co_qualname}"


@cache
def _functions() -> dict[CodeType, list[FunctionType]]:
    found: dict[CodeType, list[FunctionType]] = {}
    gc.unfreeze()  # what the lanes have put aside is not told
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            found.setdefault(each.__code__, []).append(each)
    gc.freeze()
    return found


@contextmanager
def broken(code: CodeType) -> Iterator[None]:
    """Every call of this function raises inside: a bug that a second try meets too."""

    def raises(*_: object, **__: object) -> None:
        raise RuntimeError("for ever")

    def yields(*_: object, **__: object) -> Iterator[object]:
        yield from ()
        raise RuntimeError("for ever")

    # From Python 3.13 on the code of a generator goes to generators only.
    body = yields if code.co_flags & CO_GENERATOR else raises
    found = _functions().get(code, [])
    assert found, f"no function has the code of {name_of(code)}"
    for function in found:
        function.__code__ = body.__code__
    try:
        yield
    finally:
        for function in found:
            function.__code__ = code


def can_break(code: CodeType) -> bool:
    """False for a function whose cells another body would not fit."""
    return not code.co_freevars
