"""Reading the configuration file: find it, load it, and word what is wrong with it.

Every problem is reported at once, each with file, line, key, what is wrong and what to
write.  The environment overrides single keys: ``WAYPOST_<SECTION>_<KEY>``.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from proxy.config.contradictions import Contradiction, find_contradictions
from proxy.config.model import Config
from proxy.config.problems import ConfigError, Problem
from proxy.config.section import Section, keys_of
from proxy.config.toml_lines import KeyPath, line_of, locate_keys

SEARCHED: Final = (Path("config/waypost.toml"), Path("/etc/waypost/waypost.toml"))


def default_text() -> str:
    """The commented file that we ship: in the package, or beside it in a checkout."""
    here = Path(__file__).parent
    packed = here / "waypost.toml"
    checkout = here.parents[1] / "config/waypost.toml"
    return (packed if packed.exists() else checkout).read_text("utf-8")


def find_config(explicit: str | None, environ: Mapping[str, str] | None = None) -> Path:
    """The file to use: named, ``$WAYPOST_CONFIG``, ``config/``, ``/etc/waypost``.

    Raises ConfigError when there is none.
    """
    named = explicit or (os.environ if environ is None else environ).get(
        "WAYPOST_CONFIG"
    )
    if named:
        return Path(named)
    for path in SEARCHED:
        if path.is_file():
            return path
    places = " nor ".join(map(str, SEARCHED))
    text = (
        f"there is no configuration: neither {places} exists. Name one with --config "
        "FILE or $WAYPOST_CONFIG; `waypost config default` prints a commented start"
    )
    raise ConfigError([Problem("", None, "", text)])


def load_config(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read a file, apply the environment, check everything.

    Raises ConfigError with all problems.
    """
    # Neither is needed to serve.
    import tomllib

    from proxy.config.validation import Invalid, validate

    text = _read(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(path, text, error)]) from None
    lines = locate_keys(text)
    overridden = _override(values, os.environ if environ is None else environ)
    try:
        config = replace(validate(values), path=path)
    except Invalid as error:
        problems = [_problem(path, lines, overridden, wrong) for wrong in error.wrong]
        problems.sort(key=lambda problem: problem.line or 0)
        raise ConfigError(problems) from None
    wrong = find_contradictions(config)
    if wrong:
        raise ConfigError([_problem(path, lines, {}, each) for each in wrong])
    return config


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        text = "no such file: check the name, or copy config/waypost.toml there"
    except UnicodeDecodeError as error:
        text = f"not UTF-8 at byte {error.start}: save the file as UTF-8"
    except OSError as error:
        text = f"cannot be read ({error.strerror}): check its owner and mode"
    raise ConfigError([Problem(str(path), None, "", text)])


def _syntax_problem(path: Path, text: str, error: ValueError) -> Problem:
    what, _, place = str(error).partition(" (at ")
    words = place.rstrip(")").replace(",", "").split()
    line = int(words[1]) if words[:1] == ["line"] else text.count("\n") + 1
    shown = text.splitlines()[line - 1].strip() if text.splitlines()[line - 1 :] else ""
    hint = f" in `{shown}`" if shown else ""
    return Problem(
        str(path),
        line,
        "",
        f"not TOML: {what}{hint}. Texts need quotes, lists brackets: "
        'key = "text", key = ["a", "b"]',
    )


def _override(values: dict[str, Any], environ: Mapping[str, str]) -> dict[KeyPath, str]:
    """Put ``WAYPOST_STORE_URL`` and the like into ``values``; return who did what."""
    done: dict[KeyPath, str] = {}
    for name, text in sorted(environ.items()):
        section, _, key = name.removeprefix("WAYPOST_").lower().partition("_")
        kind = _section_named(section)
        if not name.startswith("WAYPOST_") or not key or kind is None:
            continue
        table = values.setdefault(section, {})
        if isinstance(table, dict):
            known = keys_of(kind).get(key)
            table[key] = _from_environment(known.type if known else str, text)
            done[(section, key)] = name
    return done


def _section_named(name: str) -> type[Section] | None:
    key = keys_of(Config).get(name)
    kind = key.type if key else None
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _from_environment(wanted: Any, text: str) -> Any:
    """A text as the type that the key wants; a wrong one stays text and is refused."""
    if wanted is str or str in get_args(wanted):
        if get_origin(wanted) is list:
            return [part.strip() for part in text.split(",") if part.strip()]
        return text
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _dotted(path: KeyPath) -> str:
    """``listen[2].address``, counted from 1 as people do."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _problem(
    path: Path,
    lines: dict[KeyPath, int],
    overridden: dict[KeyPath, str],
    wrong: Contradiction,
) -> Problem:
    where, sentence = wrong
    source, line = str(path), line_of(lines, where)
    if where[:2] in overridden:
        source, line = f"${overridden[where[:2]]}", None
    return Problem(source, line, _dotted(where), sentence)
