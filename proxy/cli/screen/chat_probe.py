"""What the chat probe has found, as properties of ``status`` and ``pool show``."""

from collections.abc import Mapping
from typing import Any

from proxy.cli.screen import render

LABEL = "Chat probe"


def chat_probe_rows(
    found: Mapping[str, Any] | None, pool: str | None = None
) -> list[tuple[str, str]]:
    """A line for all front ends, or those of a pool, and one for each that is red.

    Nothing when there is no chat probe.
    """
    if not found or not found["every"]:
        return []
    rows = [x for x in found["front_ends"] if pool in (None, x["pool"])]
    if not rows:
        by = found["by"]
        return [(LABEL, f"done by {by}" if by else "no round has ended yet")]
    good = sum(x["success"] for x in rows)
    ago = render.duration(max(x["ago"] for x in rows))
    text = f"{good} of {len(rows)} front ends serve chat, {ago} ago"
    lines = [(LABEL, text)]
    lines += [
        (
            "",
            f"{x['front_end']}: {x['step']}: {x['reason']} "
            f"(for {render.duration(x['state_for'])})",
        )
        for x in rows
        if not x["success"]
    ]
    return lines
