"""How growth is shown: a table, and a plot that needs nothing but a browser."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import fill

WIDTH, HEIGHT, PAD = 280, 130, 44
WHY = {
    "calls/s": "A call costs less the more there are, because one wake-up then takes "
    "in several messages. Memory grows with the rate: an answer and an accepted "
    "INVITE are kept for 32 s, and the recorder's tape fills sooner.",
    "endpoints": "CPU is flat: one look-up in a dictionary. Each endpoint takes 0.8 "
    "KiB.",
    "bindings": "CPU is flat: one look-up in a dictionary. Each binding takes 1 KiB.",
    "front ends": "Their order is worked out once for an answer of DNS, and drawn "
    "anew only among equals. Here each has a priority of its own: by callgrind a call "
    "takes 0.6 % fewer instructions with 32 than with 2, so what the rounds differ by "
    "is noise. Of 32 with one priority all are drawn for each INVITE, which takes "
    "94,000 instructions more than with 2 (performance.md).",
    "TCP clients": "Each takes 3 KiB of the process, and buffers in the kernel. They "
    "are 19,000 where the machine lets no process have more than 20,000 files open, "
    "and denies root to change that. The service raises its own limit as far as it "
    "may.",
    "TLS clients": "Each takes 20 KiB, nearly all of it OpenSSL's; to take them back "
    "is the handshakes.",
    "workers": "Two share the load of one here, so each wakes for half of the "
    "messages; what they cost when each has the load of one is in scaling.md. Each "
    "worker is a process of its own: 40 MiB.",
}
"""Each curve in a sentence."""
COLUMNS = 3


@dataclass(slots=True)
class Point:
    """What was measured at one size of one thing; ``cost`` is CPU ms a call."""

    what: str
    size: int
    cost: float | None
    memory: float
    is_noisy: bool = False
    note: str = ""


def table(points: Sequence[Point]) -> str:
    """Markdown, a line for each point; the first of each thing is 1.00."""
    lines = [
        "| what grows | to | CPU ms a call | × | MiB | × | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    first: dict[str, Point] = {}
    for point in points:
        base = first.setdefault(point.what, point)
        cost = factor = "–"
        if point.cost is not None and base.cost:
            cost, factor = f"{point.cost:.3f}", f"{point.cost / base.cost:.2f}"
        words = "; ".join(filter(None, (point.note, "noisy" * point.is_noisy)))
        lines.append(
            f"| {point.what} | {point.size:,} | {cost} | {factor} | {point.memory:.0f} "
            f"| {point.memory / base.memory:.2f} | {words} |"
        )
    return "\n".join(lines)


def page(points: Sequence[Point], picture: str, rate: int) -> str:
    """The page in ``docs/``."""
    kinds = dict.fromkeys(point.what for point in points)
    why = "\n".join(
        fill(f"* **{kind}**: {WHY[kind]}", 100, subsequent_indent="  ")
        for kind in kinds
    )
    return f"""\
# Growth

Written by `make bench-growth ARGS='--page docs/growth.md'`; what else is measured is in
[performance.md](performance.md). One thing grows at a time. Access log, ledger and
flight recorder are on; `invite` over UDP at {rate:,} calls/s where nothing else is
said. × compares with the smallest size of the same thing. "noisy" marks a run beside
which others used more than a quarter of a core: its CPU says little, its memory is
sound. On a virtual machine the same point differs by a fifth from one hour to the next.

{table(points)}

![CPU of a call and memory against each size]({picture})

{why}
"""


def plot(points: Sequence[Point]) -> str:
    """SVG: for each thing its cost (solid) and its memory (dashed), from zero."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.what, []).append(point)
    rows = -(-len(groups) // COLUMNS)
    wide, high = WIDTH + 2 * PAD, HEIGHT + 2 * PAD
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide * COLUMNS}" '
        f'height="{high * rows + 20}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (what, group) in enumerate(groups.items()):
        x = wide * (number % COLUMNS) + PAD
        y = high * (number // COLUMNS) + PAD
        parts += _panel(what, group, x, y)
    parts.append(
        f'<text x="{PAD}" y="{high * rows + 12}">blue: CPU ms a call (left scale); '
        "red, dashed: MiB (right scale); both begin at 0</text></svg>\n"
    )
    return "\n".join(parts)


def _panel(what: str, group: list[Point], x: int, y: int) -> list[str]:
    parts = [
        f'<text x="{x}" y="{y - 14}" font-weight="bold">{escape(what)}</text>',
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="none" '
        'stroke="#999"/>',
    ]
    step = WIDTH / max(len(group) - 1, 1)
    places = [x + step * n for n in range(len(group))]
    for place, point in zip(places, group, strict=True):
        parts.append(
            f'<text x="{place:.0f}" y="{y + HEIGHT + 14}" text-anchor="middle">'
            f"{point.size:,}</text>"
        )
    costs = [point.cost for point in group if point.cost is not None]
    if len(costs) == len(group):
        parts += _line(places, costs, y, x - 4, "end", "#1f5fbf", "", "{:.2f}")
    memory = [point.memory for point in group]
    parts += _line(
        places, memory, y, x + WIDTH + 4, "start", "#bf3b1f", "5 3", "{:.0f}"
    )
    return parts


def _line(
    places: list[float],
    values: list[float],
    y: int,
    label: int,
    anchor: str,
    colour: str,
    dashes: str,
    form: str,
) -> list[str]:
    most = max(values) * 1.15 or 1.0
    heights = [y + HEIGHT * (1 - value / most) for value in values]
    way = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(places, heights, strict=True))
    ends = [(heights[0], values[0])] if anchor == "end" else [(heights[-1], values[-1])]
    return [
        f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dashes}"/>',
        *(
            f'<text x="{label}" y="{at + 4:.0f}" text-anchor="{anchor}" '
            f'fill="{colour}">{form.format(value)}</text>'
            for at, value in ends
        ),
    ]
