"""What a store knows that a backup does not: what a restore would lose.  Pure."""

from datetime import datetime

from proxy.store.sqlite.backup_file import Backup
from proxy.store.sqlite.contents import Contents
from proxy.store.sqlite.migrations import NEWEST


def losses(present: Contents | None, backup: Backup) -> list[str]:
    """One clause for each; none where there is nothing, or nothing can be read."""
    if present is None or present.is_empty:
        return []
    held = backup.contents
    found = []
    if present.secret != held.secret:
        found.append("it is of another store, whose dialogs and history differ")
    if present.schema > NEWEST:
        found.append(
            f"what only a newer waypost knows (schema {present.schema}, the backup has "
            f"{held.schema})"
        )
    at, actor, verb = present.change
    if present.changes > held.changes or at > held.change[0]:
        found.append(f"changes up to {verb} by {actor} at {_instant(at)}")
    if present.registered_at > held.registered_at:
        found.append(f"registrations up to {_instant(present.registered_at)}")
    if present.used_at > held.used_at:
        found.append(f"calls counted up to {_instant(present.used_at)}")
    return found


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
