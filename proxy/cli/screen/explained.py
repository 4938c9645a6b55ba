"""How an explanation stands on the screen: one, or before and after side by side."""

import sys
from collections.abc import Sequence
from typing import Any, Final

from proxy.cli.screen import render
from proxy.cli.screen.layout import lay_out, wrapped
from proxy.sip.display import visible
from proxy.sip.host import host_port

WIDTH: Final = 80
Told = dict[str, Any]


def print_one(told: Told) -> None:
    """Everything that was found out about one request."""
    _print_head(told)
    print("\nRules, in their order:")
    for each in told["rules"]:
        lead = f"  {each['says']:<8} {each['rule']:<10} "
        _wrap(lead, each["why"])
    if told["canary"] is not None and told["decided_by"] != "endpoint":
        _wrap("\nCanary: ", told["canary"]["sentence"])
    if told["store"]:
        _wrap("\nStore: ", told["store"])
    for number, way in enumerate(told["ways"], 1):
        print()
        _print_way(told, way, number)
    if told["answer"] is not None:
        print()
        _print_answer(told)
    _print_health(told)
    _print_nodes(told)


def _print_nodes(told: Told) -> None:
    """Where another node would do something else, or said nothing."""
    nodes = told.get("nodes", [])
    for each in nodes:
        lead = f"\n{each['node']}: "
        if each["problem"]:
            _wrap(lead, each["problem"])
        elif each["differs"]:
            _wrap(lead, "; ".join(each["differs"]))
    if nodes and not any(each["problem"] or each["differs"] for each in nodes):
        print(f"\nall {len(nodes)} nodes say the same")


def print_both(before: Told, after: Told, plan: str) -> None:
    """Now, and as it would be with a plan."""
    _print_head(before)
    print()
    rows = list(_compared(before, after))
    _print_table(("What", "Now", f"With {plan}"), rows)
    print()
    same = all(now == then for _, now, then in rows)
    print(
        "the plan changes nothing for this request" if same else "the plan changes it"
    )
    _print_health(before)
    _print_nodes(before)


def _print_head(told: Told) -> None:
    _wrap("", f"{told['method']} {told['uri']}")
    _wrap("  ", f"from {told['from']}")
    _wrap("  ", f"by {told['listener']}, client {told['source']}")


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """As on a terminal, in a pipe too: --json is for scripts."""
    width = render.screen_width() if sys.stdout.isatty() else WIDTH
    shown = [[visible(cell) for cell in row] for row in rows]
    print("\n".join(lay_out(list(map(visible, columns)), shown, width)))


def _wrap(lead: str, text: str) -> None:
    start = lead.lstrip("\n")
    if lead != start:
        print()
    indent = " " * min(len(start), 22)
    print("\n".join(wrapped(visible(text), start, indent, WIDTH)))


def _print_way(told: Told, way: Told, number: int) -> None:
    many = f" {number}" if len(told["ways"]) > 1 else ""
    rows = [(f"Target{many}", way["rule"])]
    if way["endpoint"]:
        rows.append(("Endpoint", f"sip:{way['endpoint']}"))
    if way["pool"]:
        rows.append(("Pool", way["pool"]))
    rows.append(("Request-URI", way["request_uri"]))
    if way["flow"]:
        rows.append(("Connection", way["flow"]))
    elif not way["pool"]:
        rows.append(("Host", way["host"]))
    if way["problem"]:
        rows.append(("Problem", way["problem"]))
    elif told["needs"] and not way["candidates"] and not way["flow"]:
        rows.append(("Problem", "DNS has given no answer"))
    render.print_properties(rows)
    if not way["candidates"]:
        return
    _wrap("\n", _budget({**told["budget"], **way}))
    print()
    _print_table(_COLUMNS, [_row(*x) for x in enumerate(way["candidates"], 1)])


_COLUMNS: Final = (
    *("#", "Front end", "Address", "Prio", "Weight", "Health", "Since", "Why"),
    *("Next probe", "Note"),
)


def _budget(budget: Told) -> str:
    """What makes us try the next one; a way has the statuses of its pool."""
    codes = ", ".join(map(str, budget["failover_codes"])) or "no status"
    return (
        f"Tried in this order, all of it within {budget['total']:g} s. The next one "
        f"when a connection is refused or takes {budget['connect']:g} s, after "
        f"{budget['silence']:g} s in which nothing came, after "
        f"{budget['first_answer']:g} s without an answer but 100, and after {codes}; "
        "the last one has all the time that is left."
    )


def _row(number: int, each: Told) -> tuple[str, ...]:
    return (
        str(number) if each["can_be_tried"] else "-",
        each["name"] or each["host"],
        _address(each),
        str(each["priority"]),
        str(each["weight"]),
        each["state"] + _workers(each),
        render.duration(each["state_for"]) if each["state_for"] else "-",
        each["reason"] or "-",
        _next_probe(each["next_probe_in"]),
        each["note"] or "-",
    )


def _workers(each: Told) -> str:
    """In how many workers, where they do not agree."""
    counts = each.get("workers", {})
    if len(counts) < 2:
        return ""
    return f" ({counts.get(each['state'], 1)} of {sum(counts.values())} workers)"


def _address(each: Told) -> str:
    return f"{each['transport']}:{host_port(each['host'], each['port'])}"


def _next_probe(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"in {seconds:.0f} s" if seconds >= 1 else "now"


def _print_answer(told: Told) -> None:
    answer = told["answer"]
    who = "Nobody can be tried, so the caller" if told["ways"] else "The caller"
    print(visible(f"{who} is answered {answer['status']} {answer['reason']}"))
    if answer["diagnostics"]:
        said = visible(f"ms-diagnostics: {answer['diagnostics']}")
        print("\n".join(wrapped(said, "  ", "    ", WIDTH)))


def _print_health(told: Told) -> None:
    if not told["health_known"]:
        _wrap("\nHealth is not known: ", told["service"])


def _compared(before: Told, after: Told) -> list[tuple[str, str, str]]:
    """The lines of the comparison: name, now, then."""
    now, then = _facts(before), _facts(after)
    names = list(dict.fromkeys([*now, *then]))
    ordered = sorted(names, key=_order)
    return [(name, now.get(name, "-"), then.get(name, "-")) for name in ordered]


_FACTS: Final = ("Decided by", "Canary", "Pool", "Request-URI", "Answer")


def _order(name: str) -> tuple[int, int]:
    if name in _FACTS:
        return 0, _FACTS.index(name)
    return 1, int(name.split()[-1])


def _facts(told: Told) -> dict[str, str]:
    found = {"Decided by": told["decided_by"]}
    if told["canary"] is not None:
        choice = told["canary"]
        pilot = "pilot" if choice["is_pilot"] else f"number {choice['number']}"
        found["Canary"] = f"{pilot} at {choice['percent']} %"
    ways = told["ways"]
    if ways:
        found["Pool"] = ways[0]["pool"] or ways[0]["host"] or ways[0]["flow"]
        found["Request-URI"] = ways[0]["request_uri"]
    answer = told["answer"]
    if answer is not None:
        found["Answer"] = f"{answer['status']} {answer['reason']}"
    tried = [c for way in ways for c in way["candidates"] if c["can_be_tried"]]
    for number, each in enumerate(tried, 1):
        found[f"Tried {number}"] = f"{_address(each)} {each['state']}"
    return found
