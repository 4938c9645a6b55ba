"""The catalogue, its page, the alert rules, and the text of a scrape."""

import re
from pathlib import Path

import pytest
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
