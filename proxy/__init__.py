"""Waypost: a SIP proxy and registrar in front of Persistent Chat pools.

The package map and the import rules are in ``docs/architecture.md``.
"""

__version__ = "0.1.0"
