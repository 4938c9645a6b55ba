"""Reading the configuration file: find it, load it, and word what is wrong with it.

Every problem is reported at once, each with file, line, key, what is wrong and what to
write.  The environment overrides single keys: ``WAYPOST_<SECTION>_<KEY>``.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from proxy.config.contradictions import Contradiction, find_contradictions
from proxy.config.environment import override
from proxy.config.model import Config
from proxy.config.problems import ConfigError, Problem
from proxy.config.secrets import mask_line
from proxy.config.toml_lines import KeyPath, line_of, locate_keys
from proxy.config.validation import Invalid, validate
from proxy.sip.pasted import MARK, pasted_note, toml_mistake

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


def is_searched(explicit: str | None) -> bool:
    """Whether no name is given, so that the usual places are searched."""
    return not (explicit or os.environ.get("WAYPOST_CONFIG"))


def overshadowed(found: Path) -> str:
    """What to say when a file won over another one that a service may be using."""
    first, *others = SEARCHED
    hidden = [str(each) for each in others if each.is_file()]
    if found != first or not hidden:
        return ""
    return (
        f"the configuration is {first.absolute()}, in this folder, and not "
        f"{hidden[0]}: a service that uses that one does not see changes made "
        f"here (--config {hidden[0]} names it)"
    )


def load_config(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read a file, apply the environment, check everything.

    Raises ConfigError with all problems.
    """
    return parse_config(path, read_bytes(path), environ)


def parse_config(
    path: Path, data: bytes, environ: Mapping[str, str] | None = None
) -> Config:
    """The same for a file that has been read: ``data`` is what ``path`` holds."""
    text = _decoded(path, data)
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError([_syntax_problem(path, text, error)]) from None
    lines = locate_keys(text)
    environ = os.environ if environ is None else environ
    overridden, problems = override(values, environ)
    try:
        config = replace(validate(values), path=path)
    except Invalid as error:
        problems += [_problem(path, lines, overridden, wrong) for wrong in error.wrong]
        problems.sort(key=lambda problem: problem.line or 0)
        raise ConfigError(problems) from None
    if problems:
        raise ConfigError(problems)
    wrong = find_contradictions(config)
    if wrong:
        raise ConfigError([_problem(path, lines, {}, each) for each in wrong])
    return config


def read_bytes(path: Path) -> bytes:
    """What a file holds; raises ConfigError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        note = pasted_note(str(path)) or "check the name"
        text = f'no such file: {note}, or begin with "waypost config default"'
    except OSError as error:
        text = f"cannot be read ({error.strerror}): check its owner and mode"
    raise ConfigError([Problem(str(path), None, "", text)])


def _decoded(path: Path, data: bytes) -> str:
    try:
        # Notepad puts a byte order mark before UTF-8; TOML knows none.
        text = data.decode("utf-8").removeprefix(MARK)
    except UnicodeDecodeError as error:
        wrong = f"not UTF-8 at byte {error.start}: save the file as UTF-8"
    else:
        wrong = ""
    if _is_utf_16(data):
        wrong = 'is UTF-16 (Notepad\'s "Unicode"): save the file as UTF-8'
    if wrong:
        raise ConfigError([Problem(str(path), None, "", wrong)])
    return text


def _is_utf_16(data: bytes) -> bool:
    """By its mark; or, without one, by the zero bytes that ASCII is written with."""
    return data[:2] in _UTF_16 or data[:2].count(0) == 1


_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_LONG_NUMBER: Final = re.compile("[0-9_]{4000}")
"""Python refuses to read more than 4,300 digits, whatever the text is."""


def _syntax_problem(path: Path, text: str, error: Exception) -> Problem:
    line, sentence = toml_mistake(text, error, mask_line)
    number = _LONG_NUMBER.search(text)
    if not isinstance(error, tomllib.TOMLDecodeError) and number:
        line = text.count("\n", 0, number.start()) + 1
        sentence = "a number of thousands of digits: write a shorter one"
    return Problem(str(path), line, "", sentence)


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
