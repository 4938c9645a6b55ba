"""Every command line that a page or a sentence of ours names can be typed.

The lines of docs/, README.md, CONTRIBUTING.md, config/ and packaging/, and those that
strings of ``proxy/`` put into quotes, are held against the tree of commands: each word
is a command, each option one of that command.  What a line prints is not its matter.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from proxy.cli.app import app
from proxy.cli.tree import Command, command_tree
from proxy.cli.typed.arguments import split_options, take_elsewhere
from proxy.cli.typed.cmdlets import HELP, UsageError, translate
from tests.support.sources import nodes_of

ROOT = Path(__file__).parents[2]
TREE = command_tree(get_command(app))
EVERYWHERE = {
    *("--config", "--json", "--server", "--token-file", "--ca-file", "--help"),
    "--identity",  # what a cmdlet's -Identity becomes
}
PAGES = [
    *sorted(ROOT.glob("docs/*.md")),
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "config/waypost.toml"),
    *sorted(ROOT.glob("config/*/*.*")),
    *sorted(ROOT.glob("packaging/debian/*")),
]
FENCE = re.compile(r"^( *)```(?:sh|console|text)?\n(.*?)^\1```$", re.M | re.S)
SPAN = re.compile(r"`(waypost [^`]+)`")
QUOTED = re.compile(r'"(waypost [a-z][^"]*)"')
# Behind these words it is an account, a container or an image.
TYPED = re.compile(
    r"(?:^|[\s/(\"'])(?<!-u )(?<!--name )(?<!exec )(?<!-t )waypost "
    r"((?:--?[a-z]|[a-zA-Z]).*)"
)
END = re.compile(r"\s(?:[|>;#&]|&&|2>).*")
ROW = re.compile(r"^\| `([a-z]+ ?[^`]*)` \|", re.M)
A_WORD = re.compile(r"[a-z][a-z-]*\Z")


def lines_of(page: str) -> Iterator[str]:
    """What stands behind ``waypost`` in blocks to be typed and in code spans."""
    for block in FENCE.finditer(page):
        for line in block[2].replace("\\\n", " ").splitlines():
            is_output = "$ " in block[2] and not line.lstrip().startswith("$ ")
            found = None if is_output else TYPED.search(line)
            if found is not None:
                yield found[1]
    for span in SPAN.finditer(FENCE.sub("", page)):
        yield re.sub(r"\s+", " ", span[1]).removeprefix("waypost ")


def sentences_of(path: Path) -> Iterator[str]:
    """What stands in quotes behind ``waypost`` in strings, values left out as X."""
    for node in nodes_of(path):
        if isinstance(node, ast.JoinedStr):
            parts = (
                each.value if isinstance(each, ast.Constant) else "X"
                for each in node.values
            )
            text = "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        for found in QUOTED.finditer(text):
            yield found[1].removeprefix("waypost ")


def words_of(line: str) -> list[str]:
    """The words of a line, without what the shell does with its output."""
    line = END.sub("", f"{line} ").strip().replace("\\|", "|")
    line = re.sub(r"\s*\[exit code.*", "", line)
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    return [each.strip("[]") or each for each in words if each not in ("...", "…")]


def problem(line: str) -> str:
    """Why this cannot be typed; empty when it can."""
    try:
        words = words_of(line)
        if words[:1] == [HELP] or words[:1] == ["Get-Help"]:
            return ""
        _, words = take_elsewhere([x for x in words if x != "URL"])
        _, words = split_options(words)
        words = translate(words)
    except UsageError as error:
        return str(error)
    if words and words[0][:1].isupper():
        return ""  # a word of a sentence, or a cmdlet's name as a heading
    command, at = TREE, 0
    while at < len(words) and command.children:
        options = [x for x in words[at].split("|") if A_WORD.match(x)]
        if words[at].startswith("-"):
            break
        below = {child.path[-1]: child for child in command.children}
        unknown = [x for x in options if x not in below]
        if unknown or not options:
            may_end = bool(command.arguments) or words[at][:1].isupper()
            if may_end:
                break
            return f"there is no {' '.join(command.path)} {words[at]}"
        command, at = below[options[0]], at + 1
    return problem_with_options(command, words[at:])


def problem_with_options(command: Command, words: list[str]) -> str:
    known = {name for option in command.options for name in option.names} | EVERYWHERE
    for word in words:
        for each in word.split("|"):
            name = each.partition("=")[0].strip("[],")
            if name.startswith("--") and len(name) > 2 and name not in known:
                return f"{' '.join(command.path)} has no {name}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_names_can_be_typed(page: Path) -> None:
    wrong = [
        f"waypost {line}: {why}"
        for line in lines_of(page.read_text())
        if (why := problem(line))
    ]
    assert not wrong


def test_what_the_table_of_verbs_names_can_be_typed() -> None:
    """docs/cli.md leaves ``waypost`` out in its tables."""
    section = (ROOT / "docs/cli.md").read_text().partition("## The migration")[2]
    rows = ROW.findall(section)
    assert len(rows) > 10
    assert not [f"{row}: {problem(row)}" for row in rows if problem(row)]


def test_what_a_sentence_names_can_be_typed() -> None:
    found = [
        (path, line)
        for path in sorted((ROOT / "proxy").rglob("*.py"))
        for line in sentences_of(path)
    ]
    assert len(found) > 40
    wrong = [
        f"{path.relative_to(ROOT)}: waypost {line}: {why}"
        for path, line in found
        if (why := problem(line))
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("endpoint make x", "there is no waypost endpoint make"),
        ("pool show x --fast", "waypost pool show has no --fast"),
        ("cutover apply plan.toml --again=1 | tee log", ""),
        ("token new|list|revoke", ""),
        ("token new|lend", "there is no waypost token new|lend"),
        ("--server https://x --token-file y endpoint get", ""),
        ("New-CsPersistentChatEndpoint -SipAddress a@b -Fqdn c", "Fqdn"),
    ],
)
def test_a_line_that_cannot_be_typed_is_found(line: str, why: str) -> None:
    assert why in problem(line)
    assert bool(why) == bool(problem(line))
