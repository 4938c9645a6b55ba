"""What the runbook keeps in the store: the plan, ticks, and that a step held once.

``seen_here`` are the plan's addresses (``user@host``) of which somebody was registered
here: a sign that registrations for them come to us.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from proxy.admin.control import Operator

NOTE: Final = "runbook"


@dataclass(slots=True)
class Memory:
    """``done`` is step → ``at``, ``by``, ``note``."""

    plan_name: str = ""
    plan_text: str = ""
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen_here: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self))


async def recall(operator: Operator) -> Memory:
    """What is kept; blank at the beginning."""
    body = await operator.store.note(NOTE)
    return Memory(**json.loads(body)) if body else Memory()


async def keep(operator: Operator, memory: Memory) -> None:
    """Keep it from now on."""
    await operator.store.set_note(NOTE, memory.to_json())


async def forget(operator: Operator) -> None:
    """Begin anew, for the next weekend."""
    await operator.store.set_note(NOTE, "")
