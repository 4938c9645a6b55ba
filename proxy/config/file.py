"""Reading the configuration file: find it, load it, and word what is wrong with it.

Every problem is reported at once, each with file, line, key, what is wrong and what to
write.  The environment overrides single keys: ``WAYPOST_<SECTION>_<KEY>``.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from proxy.config.contradictions import find_contradictions
from proxy.config.model import Config
from proxy.config.section import Section
from proxy.config.toml_lines import KeyPath, line_of, locate_keys

SEARCHED: Final = (Path("config/waypost.toml"), Path("/etc/waypost/waypost.toml"))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, and a sentence that says what to write."""

    source: str  # file name, or the environment variable; empty when there is none
    line: int | None
    key: str
    text: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.text) if part)


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` is everything that is wrong."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


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
    text = _read(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(path, text, error)]) from None
    lines = locate_keys(text)
    overridden = _override(values, os.environ if environ is None else environ)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        problems = [
            _problem(path, lines, overridden, detail) for detail in error.errors()
        ]
        problems.sort(key=lambda problem: problem.line or 0)
        raise ConfigError(problems) from None
    config._path = path
    wrong = [
        Problem(str(path), line_of(lines, key), _dotted(key), sentence)
        for key, sentence in find_contradictions(config)
    ]
    if wrong:
        raise ConfigError(wrong)
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


def _syntax_problem(path: Path, text: str, error: tomllib.TOMLDecodeError) -> Problem:
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
        model = _section_model(section)
        if not name.startswith("WAYPOST_") or not key or model is None:
            continue
        table = values.setdefault(section, {})
        if isinstance(table, dict):
            table[key] = _from_environment(model.model_fields.get(key), text)
            done[(section, key)] = name
    return done


def _section_model(section: str) -> type[Section] | None:
    field = Config.model_fields.get(section)
    model = field.annotation if field else None
    return model if isinstance(model, type) and issubclass(model, Section) else None


def _from_environment(field: FieldInfo | None, text: str) -> Any:
    """A text as the type that the key wants; a wrong one stays text and is refused."""
    wanted = field.annotation if field else str
    if wanted is str or str in get_args(wanted):
        if getattr(wanted, "__origin__", None) is list:
            return [part.strip() for part in text.split(",") if part.strip()]
        return text
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
    detail: ErrorDetails,
) -> Problem:
    where: KeyPath = detail["loc"]
    source, line = str(path), line_of(lines, where)
    if where[:2] in overridden:
        source, line = f"${overridden[where[:2]]}", None
    return Problem(source, line, _dotted(where), _sentence(where, detail))


def _sentence(where: KeyPath, detail: ErrorDetails) -> str:
    """What is wrong and what to write."""
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(where)
    if kind == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    example = _example(where)
    if kind == "missing":
        return f"is missing: write {example}"
    what = detail["msg"][0].lower() + detail["msg"][1:]
    what = what.replace("input should", "should").replace("a valid ", "a ")
    shown = repr(detail["input"]).replace("'", '"')
    return f"is {shown} but {what}: write {example}"


def _unknown_key(where: KeyPath) -> str:
    parent = _model_at(where[:-1])
    known = list(parent.model_fields) if parent else []
    close = get_close_matches(str(where[-1]), known, 1, 0.6)
    what = "unknown section" if len(where) == 1 else "unknown key"
    if close:
        return f'{what}; did you mean "{close[0]}"?'
    return f"{what}; remove it, or write one of: {', '.join(known)}"


def _model_at(where: KeyPath) -> type[BaseModel] | None:
    """The model of the section at a path."""
    model: type[BaseModel] = Config
    for part in where:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        found = field.annotation if field else None
        found = next(iter(get_args(found)), found)
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            return None
        model = found
    return model


def _example(where: KeyPath) -> str:
    """The line to write for a key."""
    names = [part for part in where if isinstance(part, str)]
    if names == ["listen"]:
        return '[[listen]] with transport = "udp" and address = "127.0.0.5:5060"'
    parent = _model_at(tuple(names[:-1]))
    field = parent.model_fields.get(names[-1]) if parent else None
    if field is None or (not field.examples and field.is_required()):
        return f"a section [{names[-1]}]"
    if field.examples:
        value = field.examples[0]
    else:
        value = field.get_default(call_default_factory=True)
        if isinstance(value, BaseModel):
            return f"a section [{names[-1]}]"
    return f"{names[-1]} = {toml_value(value)}"


def toml_value(value: Any) -> str:
    """A value as TOML spells it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
