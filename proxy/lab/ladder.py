"""The journey as a person reads it: each step, the hops it took, the answer.

Which front end a request reached is taken from what the front ends saw, not from what
the proxy says about itself.
"""

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from proxy.cli.screen.layout import lay_out
from proxy.journey.steps import Step
from proxy.journey.wire import uri_of
from proxy.lab.front_end import FrontEndServer, Seen
from proxy.sip.display import visible


def find(step: Step, front_ends: Iterable[FrontEndServer]) -> list[tuple[str, Seen]]:
    """The front ends that saw the request of a step, with what they saw."""
    wanted = (step.call_id, step.cseq)
    return [
        (front_end.name, seen)
        for front_end in front_ends
        for seen in front_end.seen
        if (seen.message.call_id, seen.message.get("CSeq")) == wanted
        and step.call_id
        and seen.message.is_request == (not comes_back(step))
    ]


def comes_back(step: Step) -> bool:
    """True for a request that the pool sent."""
    return step.name.endswith("comes back")


def hops(step: Step, front_ends: Iterable[FrontEndServer]) -> str:
    """``client → proxy → fe1``, as far as it is known to have come."""
    names = [name for name, _ in find(step, front_ends)]
    if comes_back(step):
        return f"{names[-1] if names else '?'} → proxy → client"
    if not step.call_id:
        return "client → proxy"
    return " → ".join(["client", "proxy", *names[-1:]])


def describe(step: Step, front_ends: list[FrontEndServer]) -> dict[str, Any]:
    """One step for `--json`."""
    found = find(step, front_ends)
    return {
        "step": step.name,
        "ok": step.ok,
        "status": step.status,
        "ms": step.ms,
        "detail": step.detail,
        "hops": hops(step, front_ends),
        "front_end": found[-1][0] if found else None,
        "request_uri": found[-1][1].message.uri
        if found and found[-1][1].message.is_request
        else None,
    }


_COLUMNS: Final = ("", "step", "hops", "answer", "   ms", "Request-URI that arrived")
_MARKS: Final = (("✓", "✗", "→"), ("ok", "XX", "->"))
"""Ticks and arrows, and those of an alphabet that has none."""


def render(
    steps: list[Step], front_ends: list[FrontEndServer], width: int, unicode: bool
) -> Text:
    """The journey as a table for a screen so wide; nothing of it is cut off."""
    good, bad, arrow = _MARKS[0 if unicode else 1]
    rows = []
    for step in steps:
        found = find(step, front_ends)
        arrived = ""
        if step.name.startswith("INVITE") and found:
            arrived = found[-1][1].message.uri
        elif comes_back(step) and step.ok and "requri" in step.name:
            arrived = f"it says: {step.detail}"
        answer = str(step.status or "-") if step.ok else "failed"
        rows.append(
            (
                good if step.ok else bad,
                step.name.split(" sip:")[0],
                hops(step, front_ends).replace("→", arrow),
                answer,
                f"{step.ms:>5.1f}",
                arrived if step.ok else visible(step.detail),
            )
        )
    text = Text("\n".join(lay_out(_COLUMNS, rows, width)))
    text.highlight_regex(rf"(?m)^{good}", "green")
    text.highlight_regex(rf"(?m)^{bad}.*$", "red")
    return text


def show_route(console: Console, front_ends: list[FrontEndServer]) -> None:
    """Print the Via and Record-Route that the first INVITE arrived with."""
    for front_end in front_ends:
        for message in front_end.requests("INVITE")[:1]:
            console.print(f"\nThe first INVITE as {front_end.name} received it:")
            console.print(f"  {message.start}", markup=False, soft_wrap=True)
            for name in ("Record-Route", "Via", "Max-Forwards", "To"):
                for value in message.get_all(name):
                    console.print(f"  {name}: {value}", markup=False, soft_wrap=True)
            console.print(
                f"  [dim]dialled {uri_of(message.get('To'))}: To is never touched[/dim]"
            )
            return
