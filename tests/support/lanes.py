"""Tests in several lanes at once, each a process with a network of its own.

``python -m pytest -p tests.support.lanes --lanes 5`` (root, on Linux).  One process
collects and forks the lanes; each takes one test file after the other from the same
pipe until it is empty, so that none is left with the long ones.  What only computes
lies in a second pipe, for lanes that take no time from those in which peers wait.
"""

import contextlib
import ctypes
import gc
import os
import pickle
import selectors
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest

POLITE = 15
"""How nice a lane is that only computes."""
COMPUTES = (
    *("tests/fuzz/", "tests/property/", "tests/core/", "tests/sip/", "tests/torture/"),
    *("tests/transaction/", "tests/pools/", "tests/endpoints/", "tests/location/"),
    *("tests/facts/", "tests/test_"),
)
"""Neither a socket nor a process of its own: a late answer harms nobody."""
PROCESSES = ("tests/test_lanes.py", "tests/test_prepared.py")
"""Start processes and wait for them: among the names above they would starve."""
LONG = tuple(f"tests/{x}/" for x in ("chaos", "console", "interop", "sipp", "wire"))
"""Where the longest files are: they go first."""
_CLONE_NEWNET = 0x40000000

Group = list[pytest.Item]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lanes", type=int, default=0, help="so many lanes that wait")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """All tests, in lanes; None when they shall run in a row."""
    wanted: int = session.config.getoption("--lanes")
    if not wanted or session.config.option.collectonly or session.testsfailed:
        return None
    kinds = _sorted_groups(session.items)
    groups = [group for kind in kinds for group in kind]
    ends = list(accumulate(map(len, kinds), initial=0))
    waiting, computing = pipes = [_filled(range(*each)) for each in pairwise(ends)]
    sources = [*[(waiting, computing)] * wanted, (computing,)]
    # A collection in a lane would read all that the lanes share, and copy it.
    gc.collect()
    gc.freeze()
    lanes: list[_Lane] = []
    try:
        for number, each in enumerate(sources):
            lanes.append(_Lane(session, number, groups, each))
        _follow(session, lanes)
    finally:
        for lane in lanes:
            lane.end()
        for each in pipes:
            os.close(each)
    return True


def _sorted_groups(items: list[pytest.Item]) -> tuple[list[Group], ...]:
    """Test files by kind: those that wait, those that compute."""
    files: dict[str, Group] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    waiting: list[Group] = []
    computing: list[Group] = []
    for name in sorted(files, key=lambda name: not name.startswith(LONG)):
        kind = computing if _computes(name) else waiting
        kind.append(files[name])
    return waiting, computing


def _computes(name: str) -> bool:
    return name.startswith(COMPUTES) and not name.startswith(PROCESSES)


def _filled(numbers: range) -> int:
    """A pipe with these numbers in it, two bytes each; nobody writes to it again."""
    mine, theirs = os.pipe()
    for number in numbers:
        os.write(theirs, number.to_bytes(2))
    os.close(theirs)
    return mine


class _Lane:
    """A lane as the process sees it that collected."""

    def __init__(
        self,
        session: pytest.Session,
        number: int,
        groups: list[Group],
        sources: tuple[int, ...],
    ) -> None:
        self.now = "its start"
        self.is_done = False
        self._data = b""
        self.news, theirs = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.child = os.fork()
        if self.child == 0:
            os.close(self.news)
            _set_up_and_run(session, number, groups, sources, theirs)
        os.close(theirs)

    def read(self) -> Iterator[dict[str, Any]]:
        """What it has told meanwhile; it may have ended."""
        chunk = os.read(self.news, 1 << 16)
        self.is_done = not chunk
        self._data += chunk
        while len(self._data) >= 4:
            end = 4 + int.from_bytes(self._data[:4])
            if len(self._data) < end:
                break
            yield pickle.loads(self._data[4:end])
            self._data = self._data[end:]

    def vanished(self) -> pytest.TestReport:
        """What is said when it ended before its time."""
        return pytest.TestReport(
            nodeid=self.now,
            location=(self.now, None, self.now),
            keywords={},
            outcome="failed",
            longrepr="a lane vanished here: the rest of this file did not run",
            when="call",
        )

    def end(self) -> None:
        """Have it leave what it does, and wait until it is gone."""
        os.close(self.news)
        if self.is_done:
            os.waitpid(self.child, 0)
            return
        for each in (signal.SIGINT, signal.SIGKILL):
            os.kill(self.child, each)
            for _ in range(100):
                if os.waitpid(self.child, os.WNOHANG) != (0, 0):
                    return
                signal.sigtimedwait((), 0.1)


def _follow(session: pytest.Session, lanes: list[_Lane]) -> None:
    """Report what the lanes tell until the last one has ended."""
    hook = session.config.hook
    with selectors.DefaultSelector() as selector:
        for lane in lanes:
            selector.register(lane.news, selectors.EVENT_READ, lane)
        while selector.get_map():
            for key, _ in selector.select():
                lane = key.data
                for news in lane.read():
                    lane.now = news.get("now", lane.now)
                    if report := news.get("report"):
                        found = hook.pytest_report_from_serializable(
                            config=session.config, data=report
                        )
                        hook.pytest_runtest_logreport(report=found)
                if lane.is_done:
                    selector.unregister(lane.news)
                    if lane.now:
                        hook.pytest_runtest_logreport(report=lane.vanished())
            if session.shouldfail:
                raise session.Failed(session.shouldfail)


# -- in the lane itself ----------------------------------------------------------------


def _set_up_and_run(
    session: pytest.Session,
    number: int,
    groups: list[Group],
    sources: tuple[int, ...],
    news: int,
) -> None:
    """All that a lane does; its process ends here."""
    code = 1
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        try:
            _leave_the_network()
            _set_up(session, number)
            _take(session, groups, sources, news)
            code = 0
        except Exception:
            os.write(2, traceback.format_exc().encode())
    os._exit(code)


def _leave_the_network() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "no network of our own")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def _set_up(session: pytest.Session, number: int) -> None:
    config = session.config
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:  # into files that no other lane writes to
        capture.stop_global_capturing()
        capture.start_global_capturing()
    config.pluginmanager.unregister(name="terminalreporter")  # the first process speaks
    folders: Any = config._tmp_path_factory  # type: ignore[attr-defined]
    folder: Path = folders.getbasetemp() / f"lane{number}"
    folder.mkdir(0o700)
    folders._basetemp = folder


def _take(
    session: pytest.Session, groups: list[Group], sources: tuple[int, ...], news: int
) -> None:
    """Take one file after the other; what they share stays until the last one."""
    hook = session.config.hook

    def tell(**what: object) -> None:
        data = pickle.dumps(what)
        data = len(data).to_bytes(4) + data
        while data:
            data = data[os.write(news, data) :]

    class Reporter:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            found = hook.pytest_report_to_serializable(
                config=session.config, report=report
            )
            tell(report=found)

    session.config.pluginmanager.register(Reporter())
    items = _items(groups, sources)
    item, is_polite = next(items, None), False
    while item is not None:
        tell(now=item.nodeid)
        if _computes(item.nodeid) and not is_polite:
            os.nice(POLITE)
            is_polite = True
        following = next(items, None)  # it says which fixtures stay
        hook.pytest_runtest_protocol(item=item, nextitem=following)
        item = following
    tell(now="")


def _items(groups: list[Group], sources: tuple[int, ...]) -> Iterator[pytest.Item]:
    for source in sources:
        while number := os.read(source, 2):
            yield from groups[int.from_bytes(number)]
