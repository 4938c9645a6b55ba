"""The module for PowerShell, read with a grammar: there is no PowerShell here.

Each request that it can send is compared with the API's document: the path, the method,
what stands behind the question mark, and the names and roles of the body.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell

PATH = Path(__file__).parents[2] / "config/powershell/Waypost.psm1"
SOURCE = PATH.read_bytes()
FUNCTIONS = {
    "New-CsPersistentChatEndpoint": {"new_endpoint"},
    "Get-CsPersistentChatEndpoint": {"get_endpoint", "get_endpoints"},
    "Set-CsPersistentChatEndpoint": {"set_endpoint"},
    "Remove-CsPersistentChatEndpoint": {"remove_endpoint"},
    "Test-WaypostEndpoint": {"ask_doctor"},
    "Get-WaypostCutover": {"cutover_status"},
    "Invoke-WaypostCutover": {"apply_cutover"},
    "Confirm-WaypostCutover": {"confirm_cutover"},
    "Undo-WaypostCutover": {"roll_cutover_back"},
    "Get-WaypostUsage": {"get_usage", "get_usage_of"},
}
CHANGES = {"New-", "Set-", "Remove-", "Invoke-", "Confirm-", "Undo-"}


def walk(node):
    yield node
    for child in node.children:
        yield from walk(child)


def root_of(source):
    language = tree_sitter.Language(tree_sitter_powershell.language())
    return tree_sitter.Parser(language).parse(source).root_node


@pytest.fixture(scope="module")
def nodes():
    return list(walk(root_of(SOURCE)))


@dataclass
class Sent:
    """One request as it stands in the module."""

    function: str
    method: str
    path: str
    query: set[str]
    body: set[str] | None


def keys_of(node):
    """The keys of a hash literal, not of those inside it."""
    (body,) = [x for x in node.children if x.type == "hash_literal_body"]
    entries = [x for x in body.children if x.type == "hash_entry"]
    return {entry.children[0].text.decode() for entry in entries}


def sent_by(function):
    name = next(x for x in function.children if x.type == "function_name")
    for node in walk(function):
        if node.type == "command" and node.text.startswith(b"Send-Request"):
            yield read_request(name.text.decode(), node)


def read_request(function, command):
    given, parameter = {}, ""
    (elements,) = [x for x in command.children if x.type == "command_elements"]
    for part in elements.children:
        if part.type == "command_parameter":
            parameter = part.text.decode()
        elif part.type != "command_argument_sep":
            given[parameter] = part
    literal = {name: given[name].text.decode().strip("'\"") for name in given}
    tables = {
        name: next(x for x in walk(given[name]) if x.type == "hash_literal_expression")
        for name in ("-Query", "-Body")
        if name in given
    }
    query = keys_of(tables["-Query"]) if "-Query" in tables else set()
    body = keys_of(tables["-Body"]) if "-Body" in tables else None
    return Sent(function, literal["-Method"], literal["-Path"], query, body)


@pytest.fixture(scope="module")
def sent(nodes):
    return [
        request
        for node in nodes
        if node.type == "function_statement"
        for request in sent_by(node)
    ]


@pytest.fixture
def document(admin):
    return admin.get("/openapi.json").json()


def operation_of(document, request):
    """What the document says of a request; None where there is no such route."""
    wanted = re.sub(r"\$\w+", "{}", request.path)
    for path, item in document["paths"].items():
        if re.sub(r"\{\w+\}", "{}", path) == f"/api/v1{wanted}":
            return item.get(request.method.lower())
    return None


def fields_of(document, schema):
    name = schema["$ref"].rpartition("/")[2]
    return document["components"]["schemas"][name]


def test_the_grammar_finds_no_error(nodes):
    assert [n.start_point for n in nodes if n.type == "ERROR" or n.is_missing] == []
    assert len(nodes) > 2000


def test_every_request_is_one_of_the_documents(document, sent):
    assert len(sent) >= 12
    found = {}
    for request in sent:
        operation = operation_of(document, request)
        assert operation is not None, request
        found.setdefault(request.function, set()).add(operation["operationId"])
        named = {
            x["name"] for x in operation.get("parameters", ()) if x["in"] == "query"
        }
        assert request.query <= named, request
        taken = operation.get("requestBody")
        if request.body is None:
            assert taken is None, request
            continue
        (schema,) = [x["schema"] for x in taken["content"].values()]
        fields = fields_of(document, schema)
        assert request.body <= set(fields["properties"]), request
        assert set(fields.get("required", ())) <= request.body, request
    assert found == FUNCTIONS


def test_the_guard_is_sent_as_it_is_taken(document, nodes):
    table = next(
        x
        for x in nodes
        if x.type == "hash_literal_expression" and b"limit_percent" in x.text
    )
    fields = document["components"]["schemas"]["GuardOrder"]["properties"]
    assert keys_of(table) == set(fields)


def test_signing_in_and_out_is_as_the_document_says(document):
    text = SOURCE.decode()
    assert text.count("$api + '/session'") == 2
    item = document["paths"]["/api/v1/session"]
    assert {"post", "delete"} <= item.keys()
    (body,) = re.findall(r"Get-BodyBytes @\{ (.*?) \}", text)
    names = set(re.findall(r"(\w+) =", body))
    assert names <= set(document["components"]["schemas"]["SignIn"]["properties"])
    assert "csrf" in document["components"]["schemas"]["Signed"]["properties"]


def test_a_change_can_be_asked_about_and_is_sent_as_such(nodes, sent):
    by_name = {
        next(x for x in node.children if x.type == "function_name").text.decode(): node
        for node in nodes
        if node.type == "function_statement"
    }
    exported = re.findall(r"^    '([\w-]+)'$", SOURCE.decode(), re.MULTILINE)
    assert set(exported) == set(FUNCTIONS)
    for name in FUNCTIONS:
        text = by_name[name].text.decode()
        is_change = any(name.startswith(each) for each in CHANGES)
        assert ("SupportsShouldProcess = $true" in text) == is_change, name
        assert ("$PSCmdlet.ShouldProcess(" in text) == is_change, name
        assert "$Server = $env:WAYPOST_SERVER" in text
        assert "[System.Management.Automation.PSCredential] $Credential" in text
    for request in sent:
        is_change = any(request.function.startswith(each) for each in CHANGES)
        assert ("what_if" in request.query) == is_change, request


def test_windows_powershell_reads_it_as_it_is():
    """5.1: the system's code page, and nothing that came with 6 or 7."""
    assert SOURCE.isascii()
    text = SOURCE.decode()
    assert text.startswith("#requires -Version 5.1\n")
    newer = ("\nclass ", "??", "?.", " && ", " || ", "-AsHashtable", "-NoEnumerate")
    for each in (*newer, "-SkipHttpErrorCheck", "-SkipCertificateCheck", "clean {"):
        assert each not in text, each


def test_a_secret_goes_nowhere_but_to_the_console():
    text = SOURCE.decode()
    assert text.count("$secret") == 3  # read once, and one way of two to show it
    assert "MaximumRedirection = 0" in text
    assert text.count("MaximumRedirection = 0") == text.count("Uri = $api")
    assert not re.search(r"Write-\w+[^\n]*(secret|Password)", text)


def test_the_command_prints_it():
    waypost = str(Path(sys.executable).with_name("waypost"))
    shown = subprocess.run([waypost, "powershell"], capture_output=True, timeout=30)
    assert shown.stdout == SOURCE
