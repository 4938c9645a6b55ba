"""The catalogue, its page, the alert rules, and the text of a scrape."""

import json
import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.parser import text_string_to_metric_families

from proxy.telemetry.metrics import CATALOGUE, Metrics, Reading
from proxy.telemetry.tally import BOUNDS, AccessTally

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"(?m)^\| `(waypost_\w+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$")


def scrape(readings=(), tally=None):
    text = Metrics(lambda: readings, tally or AccessTally()).exposition().decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_page_lists_exactly_the_metrics_of_the_code():
    page = (ROOT / "docs/metrics.md").read_text()
    listed = [
        (name, kind, tuple(re.findall(r"`(\w+)`", labels)), text)
        for name, kind, labels, text in ROW.findall(page)
    ]
    assert listed == [tuple(each) for each in CATALOGUE.values()]


def test_names_say_what_they_count():
    for name, each in CATALOGUE.items():
        assert re.fullmatch(r"waypost_[a-z_]+", name)
        assert name.endswith("_total") == (each.kind == "counter"), name


def test_alert_rules_only_use_metrics_that_exist():
    rules = (ROOT / "config/prometheus/alerts.yml").read_text()
    used = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for name in re.findall(r"\bwaypost_\w+", rules)
    }
    assert used and used <= set(CATALOGUE)


def test_a_thing_has_one_name_in_all_labels():
    """``front_end`` and ``frontend`` cannot be joined, nor what lacks the address."""
    labels = {label for each in CATALOGUE.values() for label in each.labels}
    assert len({label.replace("_", "") for label in labels}) == len(labels)
    for each in CATALOGUE.values():
        if "front_end" in each.labels:
            assert each.labels[:4] == ("pool", "front_end", "address", "transport")


def test_rules_and_dashboard_name_labels_that_exist():
    ours = {label for each in CATALOGUE.values() for label in each.labels}
    board = json.loads((ROOT / "config/grafana/waypost.json").read_text())
    rules = (ROOT / "config/prometheus/alerts.yml").read_text()
    named = set(re.findall(r"\$labels\.(\w+)", rules))
    for text in (rules, *(x["expr"] for x in targets_of(board))):
        for listed in re.findall(r"\bby \(([\w, ]+)\)", text):
            named.update(listed.split(", "))
    for each in targets_of(board):
        named.update(re.findall(r"\{\{(\w+)\}\}", each.get("legendFormat", "")))
    assert {"front_end", "pool"} < named
    assert named <= ours | {"job", "instance", "le"}


def targets_of(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board["panels"]:
        yield from panel.get("targets", ())


def test_a_reading_becomes_a_sample_with_its_labels():
    found = scrape([Reading("waypost_transactions", 3, ("client",))])
    assert found["waypost_transactions", ("side", "client")] == 3


def test_a_name_outside_the_catalogue_is_refused():
    with pytest.raises(KeyError, match="waypost_surprise"):
        scrape([Reading("waypost_surprise", 1)])


def test_latency_buckets_are_cumulative_and_end_with_everything():
    tally = AccessTally()
    tally.buckets[0] = 2
    tally.buckets[-1] = 1
    tally.seconds = 20.5
    found = scrape(tally=tally)
    bucket = "waypost_request_duration_seconds_bucket"
    assert found[bucket, ("le", f"{BOUNDS[0]:g}")] == 2
    assert found[bucket, ("le", f"{BOUNDS[-1]:g}")] == 2
    assert found[bucket, ("le", "+Inf")] == 3
    assert found[("waypost_request_duration_seconds_sum",)] == 20.5


def as_the_library_writes_it(readings, tally):
    """The same scrape by prometheus_client."""
    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
    families = {
        name: kinds[each.kind](each.name, each.help, labels=each.labels)
        for name, each in CATALOGUE.items()
        if each.kind != "histogram"
    }
    for reading in readings:
        families[reading.name].add_metric(reading.labels, reading.value)
    name = "waypost_request_duration_seconds"
    duration = HistogramMetricFamily(name, CATALOGUE[name].help)
    bounds = [*(f"{x:g}" for x in BOUNDS), "+Inf"]
    buckets = list(zip(bounds, accumulate(tally.buckets), strict=True))
    duration.add_metric([], buckets, tally.seconds)
    registry = CollectorRegistry()

    class Collector:
        def collect(self):
            return [*families.values(), duration]

    registry.register(Collector())
    return generate_latest(registry)


@given(
    st.lists(
        st.sampled_from(list(CATALOGUE.values()))
        .filter(lambda each: each.kind != "histogram")
        .flatmap(
            lambda each: st.builds(
                Reading,
                st.just(each.name),
                st.floats(-1e5, 1e5) | st.booleans(),
                st.tuples(*(st.text() for _ in each.labels)),
            )
        ),
        max_size=20,
    ),
    st.lists(st.integers(0, 99), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1),
)
def test_a_scrape_is_byte_for_byte_what_prometheus_client_writes(readings, buckets):
    tally = AccessTally()
    tally.buckets, tally.seconds = buckets, 1.25 * sum(buckets)
    ours = Metrics(lambda: readings, tally).exposition()
    assert ours == as_the_library_writes_it(readings, tally)


@given(st.floats(allow_nan=False))
def test_any_number_is_read_as_what_it_was(value):
    found = scrape([Reading("waypost_up_seconds", value)])
    assert found[("waypost_up_seconds",)] == value
