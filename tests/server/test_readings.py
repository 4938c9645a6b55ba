"""Every value that the service reads has its place in the catalogue."""

import ast
from pathlib import Path

from proxy.server import readings
from proxy.telemetry import metrics
from proxy.telemetry.metrics import CATALOGUE

TALLIED = {
    "waypost_requests_finished_total",
    "waypost_attempts_total",
    "waypost_failovers_total",
    "waypost_request_duration_seconds",
}


def yielded() -> dict[str, set[int]]:
    """Name of each metric in readings.py, with how many labels it is given."""
    found: dict[str, set[int]] = {}
    for node in ast.walk(ast.parse(Path(readings.__file__).read_text())):
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
            name, _, *labels = node.value.elts
            if isinstance(name, ast.Constant):
                counted = found.setdefault(f"waypost_{name.value}", set())
                is_spread = any(isinstance(x, ast.Starred) for x in labels)
                counted.add(-1 if is_spread else len(labels))
    return found


def test_what_is_read_and_what_is_tallied_is_the_whole_catalogue():
    assert yielded().keys() | TALLIED == CATALOGUE.keys()


def test_every_value_has_the_labels_of_its_metric():
    for name, counts in yielded().items():
        for count in counts - {-1}:
            assert count == len(CATALOGUE[name].labels), name


def test_what_is_tallied_is_what_the_collector_names():
    source = Path(metrics.__file__).read_text()
    assert all(name in source for name in TALLIED)
