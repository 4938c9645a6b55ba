"""The script for Lync's side, read with a grammar: there is no PowerShell here.

It was never run against a deployment; what can be held without one is held here: that
it is PowerShell, that it only reads, and that it writes what the rules read.
"""

import re
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell

from tests.facts.world import ROWS, right_a

PATH = Path(__file__).parents[2] / "config/powershell/Get-WaypostFacts.ps1"
SOURCE = PATH.read_bytes()


def walk(node):
    yield node
    for child in node.children:
        yield from walk(child)


@pytest.fixture(scope="module")
def nodes():
    language = tree_sitter.Language(tree_sitter_powershell.language())
    tree = tree_sitter.Parser(language).parse(SOURCE)
    return list(walk(tree.root_node))


def texts(nodes, kind):
    return {node.text.decode() for node in nodes if node.type == kind}


def test_the_grammar_finds_no_error(nodes):
    assert [n.start_point for n in nodes if n.type == "ERROR" or n.is_missing] == []
    assert len(nodes) > 1000


def test_it_uses_no_cmdlet_but_those_that_read(nodes):
    commands = texts(nodes, "command_name")
    assert "Get-CsUser" in commands and "Get-CsStaticRoutingConfiguration" in commands
    others = {each for each in commands if not each.startswith("Get-")}
    assert others == {"ConvertTo-Json"}
    # The one call of a block is that of a section; nothing is built from text.
    called = [n.text.decode() for n in nodes if n.type == "command"]
    assert [x for x in called if x.startswith(("&", "."))] == ["& $Ask"]
    assert not any(node.type == "redirection" for node in nodes)


def test_it_writes_one_file_and_nothing_else(nodes):
    calls = texts(nodes, "invokation_expression")
    statics = {m[0] for c in calls if (m := re.match(r"\[[\w.]+\]::\w+", c))}
    assert statics == {
        "[Array]::Sort",
        "[System.DirectoryServices.ActiveDirectory.Forest]::GetCurrentForest",
        "[System.IO.File]::WriteAllText",
        "[System.IO.Path]::Combine",
    }
    assert SOURCE.count(b"[System.IO.File]::") == 1


def test_no_parameter_of_a_cmdlet_changes_or_carries_anything(nodes):
    given = texts(nodes, "command_parameter")
    assert given <= {
        *("-Name", "-ErrorAction", "-Filter", "-LdapFilter", "-Class", "-AsXml"),
        *("-ComputerName", "-TrustedApplicationPoolFqdn", "-PersistentChatServer"),
        *("-PersistentChatPoolFqdn", "-Identity", "-OnOfficeCommunicationServer"),
        *("-LocalStore", "-InputObject", "-Depth"),
    }


def test_old_windows_reads_it_as_it_is():
    """Without a mark Windows PowerShell reads a script in the system's code page."""
    assert SOURCE.isascii()
    text = SOURCE.decode()
    assert text.startswith("#requires -Version 3.0\n")
    # What came after 3.0: ::new(), classes, ternaries, null-coalescing, chains.
    for newer in ("::new(", "\nclass ", "??", "?.", " && ", " || ", "-AsArray"):
        assert newer not in text, newer


def test_it_writes_the_sections_and_properties_that_the_rules_read():
    text = SOURCE.decode()
    written = {
        name: set(re.findall(r"(\w+)\s*= ", body))
        for name, body in re.findall(
            r"^\$sections\.(\w+) = (.*?)^\}$", text, re.MULTILINE | re.DOTALL
        )
    }
    assert written.keys() == ROWS.keys()
    for name, (cmdlet, rows) in ROWS.items():
        assert f"$sections.{name} = Get-Section '{cmdlet}'" in text
        for row in rows:
            assert row.keys() <= written[name], name
    head = text[text.index("$document = ") :]
    assert right_a().keys() <= set(re.findall(r"^    (\w+) +=", head, re.MULTILINE))


def test_the_rules_read_nothing_that_it_does_not_write():
    folder = Path(__file__).parents[2] / "proxy/facts"
    reads = r"\.(?:text|lower|flag|number|texts|where)\(\s*\"(\w+)\""
    read = {
        name
        for path in folder.glob("*.py")
        for name in re.findall(reads, path.read_text())
    }
    assert len(read) > 20
    written = set(re.findall(r"(\w+)\s*= ", SOURCE.decode()))
    assert read <= written
