"""Persistence behind one interface: SQLite, the embedded default, or Redis."""

from proxy.store.actor import Actor
from proxy.store.audit_row import AuditRow
from proxy.store.errors import StoreError
from proxy.store.factory import open_store
from proxy.store.interface import Store
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
