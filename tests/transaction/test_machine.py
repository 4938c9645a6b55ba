"""The tables alone write the state of a transaction; streams end by timers of zero."""

import ast
from pathlib import Path

import pytest

import proxy
from proxy.transaction.timers import DURATIONS
from tests.transaction.bench import Bench

PROXY = Path(proxy.__file__).parent
FOLDERS = ("core", "transaction")


def writes_of_state(source: str) -> list[str]:
    """Which functions assign to an attribute `state`, or delete or set it by name."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            is_written = (
                isinstance(node, ast.Attribute)
                and node.attr == "state"
                and not isinstance(node.ctx, ast.Load)
            )
            is_set = isinstance(node, ast.Constant) and node.value == "state"
            if is_written or is_set:
                found.append(function.name)
    return found


def test_the_state_is_written_where_the_table_is_read_and_nowhere_else():
    found = {
        path.name: writes
        for folder in FOLDERS
        for path in sorted((PROXY / folder).rglob("*.py"))
        if (writes := writes_of_state(path.read_text()))
    }
    assert found == {"machine.py": ["begin", "step"]}


@pytest.mark.parametrize(
    "line", ["self.state = 'x'", "a.b.state, c = d", "setattr(a, 'state', 'x')"]
)
def test_a_write_is_seen(line):
    assert writes_of_state(f"def f():\n    {line}\n") == ["f"]


@pytest.mark.parametrize(
    ("name", "method", "status"),
    [("timer D", "INVITE", 486), ("timer K", "BYE", 200)],
)
def test_on_a_stream_the_timer_of_a_client_is_over_at_once(name, method, status):
    assert DURATIONS[name][True] == 0.0
    bench = Bench("tcp")
    transaction = bench.client(method)
    taken = inputs_of(transaction)
    bench.answer(status)
    assert taken[-1] == name and transaction.state == "terminated"
    assert len(bench.layer) == 0 and bench.reported == [(0.0, str(status))]


@pytest.mark.parametrize(
    ("name", "method"), [("timer I", "INVITE"), ("timer J", "BYE")]
)
def test_on_a_stream_the_timer_of_a_server_is_over_at_once(name, method):
    assert DURATIONS[name][True] == 0.0
    bench = Bench("tcp")
    transaction = bench.server(method)
    taken = inputs_of(transaction)
    transaction.respond(486, b"SIP/2.0 486 Busy Here\r\n\r\n", bench.now)
    if method == "INVITE":
        transaction.handle("ack", bench.now)
    assert taken[-1] == name and transaction.state == "terminated"
    assert len(bench.layer) == 0


def inputs_of(transaction) -> list[str]:
    """What the machine is given from now on: its table tells when it is looked up."""
    taken: list[str] = []

    class Row(dict):
        def __getitem__(self, input_):
            taken.append(input_)
            return super().__getitem__(input_)

    transaction._steps = {state: Row(row) for state, row in transaction._steps.items()}
    return taken
