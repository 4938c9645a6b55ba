"""Our certificates: checked at start, watched while we run, replaced as a whole.

New files give a new context for new connections; old connections keep theirs.  When new
files cannot be used, the context in force stays, and the failure is logged and counted.
We poll the time stamps of the files: that works on any system, and sees renames and
symbolic links alike (decision 76).
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from proxy.net.errors import NetError
from proxy.net.rehearsal import Shown, rehearse, rehearse_client
from proxy.net.tls import TlsEnd, TlsFiles

log = structlog.get_logger()

LOOK_EVERY: Final = 2.0
"""Seconds between two looks at the files; a change counts within two looks."""

Stamp = tuple[tuple[int, int, int], ...]


class Certificates:
    """The certificates of ``ends``; ``host`` is the name they must cover, if any.

    ``shown`` is what peers see now, by certificate file.
    """

    def __init__(self, ends: Sequence[TlsEnd] = (), host: str | None = None) -> None:
        self._host = host.strip("[]") if host else None
        self._groups: dict[TlsFiles, list[TlsEnd]] = {}
        for end in ends:
            self._groups.setdefault(end.files, []).append(end)
        self._judged = {files: _stamp(files) for files in self._groups}
        self._seen = dict(self._judged)
        self.shown: dict[str, Shown] = {}
        self.reloads = 0
        self.failures = 0

    def check(self) -> None:
        """Judge the certificates in force; raises NetError if peers would refuse
        one."""
        for files, ends in self._groups.items():
            self._note(files, _judge(files, ends, self._host))

    async def watch(self) -> None:
        """Look at the files for ever."""
        while self._groups:
            await asyncio.sleep(LOOK_EVERY)
            self.look()

    def look(self) -> None:
        """Reload files that have changed and then stayed the same for one look.

        The wait is for the key that belongs to a new certificate.
        """
        for files, ends in self._groups.items():
            stamp = _stamp(files)
            is_settled = stamp == self._seen[files]
            self._seen[files] = stamp
            if is_settled and stamp != self._judged[files]:
                self._judged[files] = stamp
                self._reload(files, ends)

    def _reload(self, files: TlsFiles, ends: list[TlsEnd]) -> None:
        try:
            fresh = [end.fresh_context() for end in ends]
            shown = _judge(files, ends, self._host)
        except NetError as error:
            self.failures += 1
            log.error(
                "certificate.rejected", certificate=files.certificate, reason=str(error)
            )
            return
        for end, context in zip(ends, fresh, strict=True):
            end.context = context
        self._note(files, shown)
        self.reloads += 1
        log.info(
            "certificate.reloaded",
            certificate=files.certificate,
            names=list(shown.names) if shown else [],
            expires=shown.expires if shown else None,
        )

    def _note(self, files: TlsFiles, shown: Shown | None) -> None:
        if shown is not None and files.certificate is not None:
            self.shown[files.certificate] = shown
            if shown.doubt:
                log.warning(
                    "certificate.doubtful",
                    certificate=files.certificate,
                    reason=shown.doubt,
                )


def _judge(files: TlsFiles, ends: list[TlsEnd], host: str | None) -> Shown | None:
    """Judge one certificate; raises NetError for a bad one of a listener.

    A bad one that we only present to pools is logged, because not every pool asks for
    it.
    """
    for end in ends:
        if end.is_server:
            return rehearse(files, host, end.minimum)
    if files.certificate is None:
        return None
    try:
        return rehearse_client(files)
    except NetError as error:
        log.warning(
            "certificate.doubtful", certificate=files.certificate, reason=str(error)
        )
        return None


def _stamp(files: TlsFiles) -> Stamp:
    return tuple(_stamps(files))


def _stamps(files: TlsFiles) -> Iterator[tuple[int, int, int]]:
    for name in (files.certificate, files.key, files.ca):
        if name is None:
            continue
        try:
            found = os.stat(name)
        except OSError:
            yield (0, 0, 0)  # a missing file is a change like any other
        else:
            yield (found.st_mtime_ns, found.st_ino, found.st_size)
