"""The commented default configuration with an administrator's answers in it."""

import re
from typing import Final

from proxy.admin.first_day.answers import Answers
from proxy.config.file import default_text
from proxy.config.values import toml_value

_HEAD: Final = re.compile(r"\A# Waypost's configuration\..*?\n#\n", re.DOTALL)
_INTRO: Final = """\
# Waypost's configuration, written by `waypost init`. Every key is here; what is active
# is the default, except for [proxy], [[listen]] and [store], which have your answers.
# A key that you do not need may be removed.
#
"""
BESIDE: Final = "sqlite:///waypost.db"
"""A store in the folder of the configuration."""


def filled_in(answers: Answers, store_url: str | None = None) -> str:
    """The whole file; ``store_url`` where it is not the default."""
    text = _HEAD.sub(_INTRO, default_text(), count=1)
    host = answers.advertised_host
    text = _line(
        text,
        "advertised_host",
        f"advertised_host = {toml_value(host)}"
        if host
        else '# advertised_host = "proxy.contoso.test"',
    )
    text = _line(text, "domains", f"domains = {toml_value(list(answers.domains))}")
    text = _line(text, "address", f"address = {toml_value(str(answers.listen))}", 2)
    if store_url is not None:
        text = _line(text, "url", f"url = {toml_value(store_url)}")
    return text


def _line(text: str, key: str, written: str, times: int = 1) -> str:
    """The text with the active lines of a key replaced; there are ``times`` of them."""
    found, count = re.subn(
        rf"^{key} = .*$", lambda _: written, text, flags=re.MULTILINE
    )
    if count != times:
        raise RuntimeError(f"the default configuration has {key} {count} times")
    return found
