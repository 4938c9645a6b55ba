"""[admin] and [server]: what is refused, and what to write instead."""

import os

import pytest

from tests.config.loading import load, problem


def test_the_default_is_loopback_and_not_chosen(tmp_path):
    admin = load(tmp_path, "").admin
    assert admin.listen == "127.0.0.1:8060" and not admin.is_chosen


def test_an_empty_address_is_no_listener(tmp_path):
    assert load(tmp_path, '[admin]\nlisten = ""\n').admin.address is None


@pytest.mark.parametrize("address", ["0.0.0.0:8060", "10.1.2.3:8060", "[::]:8060"])
def test_an_address_that_others_can_reach_needs_a_token(tmp_path, address):
    text = problem(tmp_path, f'[admin]\nlisten = "{address}"\n')
    assert "needs a token" in text and 'token_file = "' in text
    more = f'[admin]\nlisten = "{address}"\ntoken = "0123456789abcdef"\n'
    assert load(tmp_path, more).admin.listen == address


def test_a_short_token_is_refused_without_being_shown(tmp_path):
    text = problem(tmp_path, '[admin]\ntoken = "hunter2"\n')
    assert "at least 16" in text and "hunter2" not in text


def test_the_token_file_stands_beside_the_database(tmp_path):
    config = load(tmp_path, '[store]\nurl = "sqlite:///x/waypost.db"\n')
    assert config.admin_token_file == tmp_path / "x" / "admin.token"
    config = load(tmp_path, '[admin]\ntoken_file = "t"\n')
    assert config.admin_token_file == tmp_path / "t"


def test_a_negative_drain_is_refused(tmp_path):
    assert "drain_seconds" in problem(tmp_path, "[server]\ndrain_seconds = -1\n")


def test_workers_are_a_number_or_auto(tmp_path):
    assert load(tmp_path, "").server.worker_count == 1
    assert load(tmp_path, "[server]\nworkers = 3\n").server.worker_count == 3
    auto = load(tmp_path, '[server]\nworkers = "auto"\n').server.worker_count
    assert auto == min(len(os.sched_getaffinity(0)), 64)
    for wrong in ("0", "65", '"many"'):
        assert "workers = 2" in problem(tmp_path, f"[server]\nworkers = {wrong}\n")


def test_own_ports_of_workers_must_be_free_of_listeners(tmp_path):
    text = problem(tmp_path, "[server]\nworkers = 2\nworker_udp_port = 5059\n")
    assert "UDP ports 5059 to 5060" in text and "worker_udp_port = 5061" in text
    load(tmp_path, "[server]\nworkers = 2\nworker_udp_port = 5061\n")
    load(tmp_path, "[server]\nworker_udp_port = 5060\n")  # one process needs none


def test_a_node_is_reached_by_an_address(tmp_path):
    more = '[server]\nnode_address = "sip:10.1.2.3:5060;transport=tcp"\n'
    assert load(tmp_path, more).node_uri == "sip:10.1.2.3:5060;transport=tcp"
    assert "write its address" in problem(
        tmp_path, '[server]\nnode_address = "sip:sip.contoso.test"\n'
    )
    assert load(tmp_path, "").node_uri == ""
    redis = '[store]\nurl = "redis://127.0.0.1:6379/0"\n'
    assert load(tmp_path, redis).node_uri == "sip:127.0.0.5:5060;transport=udp"


def test_front_ends_are_probed_unless_it_is_switched_off(tmp_path):
    assert load(tmp_path, "").health.probe == 10.0
    assert load(tmp_path, "[health]\nprobe = 0\n").health.probe == 0
    for wrong in (-1, 61, '"often"'):
        assert "probe" in problem(tmp_path, f"[health]\nprobe = {wrong}\n")
