"""No regular expression of `proxy/` takes more time than the length of its text allows.

A stranger's bytes reach most of them, some before any token or password is looked at.
"""

import pytest

from tests.support.cost import hold_flat
from tests.support.patterns import PUMPS, Expression, expressions, ways_in

ALL = expressions()
WRITTEN = [each for each in ALL if each.pattern is not None]

# Expressions that are made while running: where, and whose they are.
MADE = {
    "proxy.admin.first_day.filled_in": "our own words, over the file that we bring",
    "proxy.endpoints.filters": "what the administrator who waits for the list typed",
    "proxy.endpoints.table": "an administrator's pattern: see test_cost_of_reading",
}


def texts(expression: Expression):
    """Ways in, then a long run of something, then what no expression expects."""
    is_bytes = isinstance(expression.pattern.pattern, bytes)
    ways = ways_in(expression.pattern)
    for way in ways:
        for pump in (*PUMPS, *(w for w in ways if w)):
            for end in ("", "\0"):

                def text(size, way=way, pump=pump, end=end):
                    made = way + pump * (size // len(pump)) + end
                    return made.encode("latin-1") if is_bytes else made

                yield text


def reader(expression: Expression, method: str):
    if method in ("sub", "subn"):
        return lambda text: getattr(expression.pattern, method)(text[:0], text)
    if method == "finditer":
        return lambda text: sum(1 for _ in expression.pattern.finditer(text))
    return getattr(expression.pattern, method)


@pytest.mark.parametrize("expression", WRITTEN, ids=lambda each: each.place)
def test_an_expression_takes_time_in_proportion_to_what_it_reads(expression):
    assert expression.methods, "nothing uses it, or in a way that is not seen here"
    for method in expression.methods:
        hold_flat(reader(expression, method), texts(expression))


def test_expressions_that_are_made_while_running_are_known():
    made = {each.place.rpartition(":")[0] for each in ALL if each.pattern is None}
    assert made == set(MADE)
