"""The environment over the file: ``WAYPOST_<SECTION>_<KEY>``, and foreign variables.

Kubernetes gives every pod variables of every Service in its namespace ("service
links"); a Service called ``waypost`` or ``waypost-store`` makes some that begin like
ours.  They are known by their endings and left alone; typing errors are not.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final, get_args, get_origin

from proxy.config.model import Config
from proxy.config.problems import Problem
from proxy.config.section import Section, keys_of
from proxy.config.toml_lines import KeyPath

PREFIX: Final = "WAYPOST_"
_LINK: Final = re.compile(
    r"_SERVICE_HOST\Z|_SERVICE_PORT(?:_|\Z)"
    r"|_PORT(?:_\d{1,5}_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?\Z"
)
_PLACE: Final = re.compile(r"(?:tcp|udp|sctp)://", re.IGNORECASE)


def is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes made a variable for a Service, as Docker's links did."""
    if not _LINK.search(name):
        return False
    # A key of ours may end so as well; no value of ours looks like this one.
    return not name.endswith("_PORT") or not _key_of(name) or bool(_PLACE.match(value))


def override(
    values: dict[str, Any], environ: Mapping[str, str]
) -> tuple[dict[KeyPath, str], list[Problem]]:
    """Put ``WAYPOST_STORE_URL`` and the like into ``values``.

    Returns which variable set what, and those that look like a slip.
    """
    done: dict[KeyPath, str] = {}
    problems: list[Problem] = []
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or is_service_link(name, text):
            continue
        section, key = _parts(name)
        if not key:
            continue
        kind = _section_named(section)
        if kind is None:
            problems += _slip(name, section, key)
            continue
        table = values.setdefault(section, {})
        if isinstance(table, dict):
            known = keys_of(kind).get(key)
            table[key] = _from_environment(known.type if known else str, text)
            done[(section, key)] = name
    return done, problems


def _parts(name: str) -> tuple[str, str]:
    """Section and key of a variable; a section may have an underscore of its own."""
    rest = name.removeprefix(PREFIX).lower()
    for each in keys_of(Config):
        if "_" in each and rest.startswith(f"{each}_"):
            return each, rest.removeprefix(f"{each}_")
    section, _, key = rest.partition("_")
    return section, key


def _key_of(name: str) -> bool:
    section, key = _parts(name)
    kind = _section_named(section)
    return kind is not None and key in keys_of(kind)


def _section_named(name: str) -> type[Section] | None:
    key = keys_of(Config).get(name)
    kind = key.type if key else None
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _slip(name: str, section: str, key: str) -> list[Problem]:
    """Variables of other programs may begin like ours: report only close ones."""
    listed = keys_of(Config).get(section)
    if listed is not None and key in keys_of(get_args(listed.type)[0]):
        text = f"[[{section}]] is a list: write its keys into the file"
        return [Problem(f"${name}", None, f"{section}.{key}", text)]
    from difflib import get_close_matches  # the service holds on to what it loads

    known = [each for each in keys_of(Config) if _section_named(each)]
    close = get_close_matches(section, known, 1, 0.75)
    if not close or listed is not None:
        return []
    meant = f"{PREFIX}{close[0]}_{key}".upper()
    text = f"unknown section; did you mean {meant}?"
    return [Problem(f"${name}", None, section, text)]


def _from_environment(wanted: Any, text: str) -> Any:
    """A text as the type that the key wants; a wrong one stays text and is refused."""
    if wanted is str or str in get_args(wanted):
        if get_origin(wanted) is list:
            return [part.strip() for part in text.split(",") if part.strip()]
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
