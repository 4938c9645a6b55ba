"""Persistence behind one interface: SQLite, the embedded default, or Redis."""

from proxy.store.factory import open_store
from proxy.store.interface import Actor, AuditRow, Store, StoreError
from proxy.store.registrar import Conflict, User

__all__ = [
    "Actor",
    "AuditRow",
    "Conflict",
    "Store",
    "StoreError",
    "User",
    "open_store",
]
