"""systemd's and Prometheus's own tools judge what we ship for them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "config/systemd"
EXPOSURE = 2.0
"""The worst that `systemd-analyze security` may say; 10 is no sandbox at all."""


def run(*line: str, cwd: Path = ROOT) -> str:
    if shutil.which(line[0]) is None:
        pytest.skip(f"{line[0]} is not installed")
    done = subprocess.run(
        line, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with a program that exists on this machine."""
    text = (UNITS / "waypost.service").read_text()
    text = text.replace("/opt/waypost/bin/waypost", "/bin/true")
    (tmp_path / "waypost.service").write_text(text)
    text = (UNITS / "waypost-backup.service").read_text()
    text = text.replace("/opt/waypost/bin/waypost", "/bin/true")
    (tmp_path / "waypost-backup.service").write_text(text)
    shutil.copy(UNITS / "waypost-backup.timer", tmp_path)
    shutil.copy(UNITS / "waypost.socket", tmp_path)
    return tmp_path


def test_systemd_finds_nothing_to_complain_about(units: Path) -> None:
    kinds = "waypost.service", "waypost.socket", "waypost-backup.timer"
    names = [str(units / name) for name in (*kinds, "waypost-backup.service")]
    assert run("systemd-analyze", "verify", "--man=no", *names) == ""


def test_the_service_is_sandboxed(units: Path) -> None:
    text = run(
        *("systemd-analyze", "security", "--offline=yes", "--no-pager"),
        str(units / "waypost.service"),
    )
    found = re.search(r"Overall exposure level for waypost.service: ([\d.]+)", text)
    assert found and float(found[1]) <= EXPOSURE, text


def test_the_unit_grants_one_capability_and_a_bounded_memory() -> None:
    text = (UNITS / "waypost.service").read_text()
    for name in ("CapabilityBoundingSet", "AmbientCapabilities"):
        assert re.findall(rf"^{name}=(.*)$", text, re.M) == ["CAP_NET_BIND_SERVICE"]
    for line in ("ProtectSystem=strict", "NoNewPrivileges=yes", "Type=notify"):
        assert line in text.splitlines()
    assert re.search(r"^MemoryMax=\d+M$", text, re.M)


def test_the_stop_is_longer_than_the_drain() -> None:
    shipped = (ROOT / "config/waypost.toml").read_text()
    drain = float(re.search(r"^drain_seconds = ([\d.]+)$", shipped, re.M)[1])
    unit = (UNITS / "waypost.service").read_text()
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1]) > drain
    compose = (ROOT / "docker/compose.yml").read_text()
    assert int(re.search(r"stop_grace_period: (\d\d)s", compose)[1]) > drain


def test_the_socket_unit_fits_the_shipped_configuration() -> None:
    shipped = (ROOT / "config/waypost.toml").read_text()
    wanted = re.findall(
        r'^transport = "(\w+)".*?^address = "([^"]+)"', shipped, re.M | re.S
    )
    kinds = {"udp": "ListenDatagram", "tcp": "ListenStream"}
    text = (UNITS / "waypost.socket").read_text()
    found = re.findall(r"^(ListenDatagram|ListenStream)=(.+)$", text, re.M)
    assert found == [(kinds[transport], address) for transport, address in wanted]


def test_promtool_accepts_the_alert_rules() -> None:
    assert "SUCCESS" in run(
        "promtool", "check", "rules", "config/prometheus/alerts.yml"
    )


@pytest.mark.parametrize(
    "config", ["config/prometheus/scrape.yml", "docker/lab/prometheus.yml"]
)
def test_promtool_accepts_the_scrape_configurations(
    tmp_path: Path, config: str
) -> None:
    for name in (config, "config/prometheus/alerts.yml"):  # side by side, as installed
        shutil.copy(ROOT / name, tmp_path)
    name = Path(config).name
    assert "SUCCESS" in run("promtool", "check", "config", name, cwd=tmp_path)


def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    shutil.copy(ROOT / "config/prometheus/alerts.yml", tmp_path)
    (tmp_path / "tests.yml").write_text(ALERT_TESTS)
    assert "SUCCESS" in run("promtool", "test", "rules", "tests.yml", cwd=tmp_path)


ALERT_TESTS = """
rule_files: [alerts.yml]
evaluation_interval: 30s
tests:
  - interval: 30s
    input_series:
      - {series: 'up{job="waypost",instance="a"}', values: '1x2 0x10'}
      - {series: 'waypost_pool_front_ends_available{instance="a",pool="p"}',
         values: '2x4 0x8'}
      - {series: 'waypost_dns_stale_seconds{instance="a",pool="p"}', values: '0 60 700'}
      - {series: 'waypost_failovers_total{instance="a",pool="p"}', values: '0+1x40'}
      - {series: 'waypost_attempts_total{instance="a",pool="p",outcome="2xx"}',
         values: '0+4x40'}
      - {series: 'waypost_password_tries_total{instance="a",result="wrong"}',
         values: '0+1x40'}
      - {series: 'waypost_password_tries_total{instance="a",result="held-back"}',
         values: '0x8 0+20x20'}
    alert_rule_test:
      - {eval_time: 4m, alertname: WaypostPasswordGuessing, exp_alerts: []}
      - eval_time: 8m
        alertname: WaypostPasswordGuessing
        exp_alerts:
          - exp_labels: {severity: warning, instance: a}
            exp_annotations:
              summary: Somebody guesses passwords at a
              action: "The log names the source (source.guessing): close it out in
                the firewall."
      - {eval_time: 1m, alertname: WaypostDown, exp_alerts: []}
      - eval_time: 3m
        alertname: WaypostDown
        exp_alerts:
          - exp_labels: {severity: critical, job: waypost, instance: a}
            exp_annotations:
              summary: Waypost on a does not answer
              action: Look at `systemctl status waypost` or `docker ps` on that machine.
      - {eval_time: 2m, alertname: WaypostPoolWithoutFrontEnds, exp_alerts: []}
      - eval_time: 4m
        alertname: WaypostPoolWithoutFrontEnds
        exp_alerts:
          - exp_labels: {severity: critical, instance: a, pool: p}
            exp_annotations:
              summary: No front end of p is usable
              action: "`waypost pool show p` says what DNS and health say."
      - eval_time: 1m
        alertname: WaypostDnsStale
        exp_alerts:
          - exp_labels: {severity: warning, instance: a, pool: p}
            exp_annotations:
              summary: DNS has been silent about p for 10 minutes
              action: "Requests go by the last answer for up to 24 hours; \\
                mend the name servers."
      - eval_time: 15m
        alertname: WaypostManyFailovers
        exp_alerts:
          - exp_labels: {severity: warning, instance: a, pool: p}
            exp_annotations:
              summary: More than 10 % of the attempts at p are second ones
              action: A front end fails often; `waypost status` names it.
"""
