"""Options that may stand anywhere."""

import pytest

from proxy.cli.typed.arguments import split_options


@pytest.mark.parametrize(
    ("line", "front", "rest"),
    [
        ("endpoint get --json", "--json", "endpoint get"),
        ("--json endpoint get", "--json", "endpoint get"),
        ("endpoint --config f get a", "--config f", "endpoint get a"),
        ("endpoint get --config=f", "--config=f", "endpoint get"),
        ("endpoint get -- --json", "", "endpoint get -- --json"),
        ("endpoint get --config", "--config", "endpoint get"),
        ("", "", ""),
    ],
)
def test_they_come_to_the_front(line, front, rest):
    assert split_options(line.split()) == (front.split(), rest.split())
