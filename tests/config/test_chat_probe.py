"""[chat_probe]: how often, as whom, over what."""

import pytest

from proxy.config.chat_probe import ChatProbeSection
from tests.config.loading import load, problem


@pytest.mark.parametrize(
    ("every", "seconds"),
    [("0s", 0.0), ("0", 0.0), ("1s", 1.0), ("1.5m", 90.0), ("24h", 86_400.0)],
)
def test_a_time_is_read_in_its_unit(tmp_path, every: str, seconds: float) -> None:
    config = load(tmp_path, f'[chat_probe]\nevery = "{every}"\n')
    assert config.chat_probe.interval == seconds


def test_without_the_section_there_is_no_probe() -> None:
    assert ChatProbeSection().interval == 0.0 and ChatProbeSection().user == ""


@pytest.mark.parametrize(
    ("every", "says"),
    [
        ("60", "is no time"),
        ("1d", "is no time"),
        ("", "is no time"),
        ("0.5s", "out of bounds"),
        ("25h", "out of bounds"),
    ],
)
def test_another_time_says_what_to_write(tmp_path, every: str, says: str) -> None:
    said = problem(tmp_path, f'[chat_probe]\nevery = "{every}"\n')
    assert says in said and 'every = "' in said


@pytest.mark.parametrize(
    "user",
    ["probe", "sips:p@contoso.test", "sip:contoso.test", "sip:p@contoso.test;x=y"],
)
def test_a_user_is_a_plain_sip_address(tmp_path, user: str) -> None:
    said = problem(tmp_path, f'[chat_probe]\nfrom = "{user}"\n')
    assert 'write from = "sip:probe@contoso.test"' in said


def test_from_is_read_and_shown_under_its_own_name(tmp_path) -> None:
    config = load(
        tmp_path, '[chat_probe]\nfrom = "sip:p@contoso.test"\ntransports = ["udp"]\n'
    )
    assert config.chat_probe.user == "sip:p@contoso.test"
    assert config.chat_probe.as_table() == {
        "every": "0s",
        "from": "sip:p@contoso.test",
        "transports": ["udp"],
    }
