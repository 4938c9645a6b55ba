"""The default file with answers in it: the answers, and otherwise the defaults."""

import tomllib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from proxy.admin.first_day.answers import Answers
from proxy.admin.first_day.filled_in import BESIDE, filled_in
from proxy.config.file import default_text, parse_config
from proxy.config.values import HostPort

PATH = Path("/etc/waypost/waypost.toml")
LABEL = st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True)
NAME = st.builds("{}.{}".format, LABEL, LABEL)


EVERYWHERE = HostPort("0.0.0.0", 5060)


def of(domains=("contoso.com",), listen=EVERYWHERE, host="p.contoso.com"):
    alias = "sip:chat@contoso.com"
    return Answers(domains, "pcpool.contoso.com", alias, listen, host)


@given(
    domains=st.lists(NAME, min_size=1, max_size=4, unique=True),
    port=st.integers(1, 65_535),
    host=NAME,
)
def test_the_answers_are_in_force_and_all_else_is_the_default(domains, port, host):
    answers = of(tuple(domains), HostPort("0.0.0.0", port), host)
    config = parse_config(PATH, filled_in(answers).encode(), {})
    assert config.proxy.domains == domains
    assert config.advertised_host == host
    assert {each.address for each in config.listen} == {f"0.0.0.0:{port}"}
    shipped = parse_config(PATH, default_text().encode(), {})
    ours, theirs = config.as_table(), shipped.as_table()
    for section in ("proxy", "listen"):
        del ours[section], theirs[section]
    assert ours == theirs


def test_a_listener_with_an_address_of_its_own_needs_no_name():
    answers = of(listen=HostPort("::1", 5060), host=None)
    config = parse_config(PATH, filled_in(answers).encode(), {})
    assert config.advertised_host is None
    assert config.listen[0].address == "[::1]:5060"


def test_a_store_beside_the_file_is_in_its_folder():
    text = filled_in(of(), BESIDE)
    config = parse_config(Path("/home/alice/waypost.toml"), text.encode(), {})
    assert config.store_url == "sqlite:////home/alice/waypost.db"


def test_comments_of_every_key_stay():
    def comments(text):
        return [line for line in text.splitlines() if line.startswith("# ")]

    lost = set(comments(default_text())) - set(comments(filled_in(of())))
    assert len(lost) <= 3  # the head, which speaks of `config default`
    assert tomllib.loads(filled_in(of()))
