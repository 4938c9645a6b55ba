"""What PowerShell writes is read, and what we write is read back."""

import pytest

from proxy.endpoints.address import Refused
from proxy.endpoints.changes import Rules
from proxy.endpoints.exchange import (
    ImportedRow,
    decode,
    identities_of,
    read_rows,
    to_csv,
    to_json,
)
from proxy.endpoints.importing import Import, decide_import, judge
from proxy.endpoints.model import Endpoint
from proxy.endpoints.table import EndpointTable

EXPORT_CSV = """#TYPE Microsoft.Rtc.Management.ADConnect.Schema.OCSPersistentChatContact
"Identity","SipAddress","DisplayName","PersistentChatPoolFqdn","OwnerUrn"
"CN={9f},DC=contoso","sip:ocschat@contoso.test","Chat, old","p.contoso.test","urn:x"
"""
CHAT = ("sip:ocschat@contoso.test", "p.contoso.test")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]
)
def test_export_csv_is_read_in_every_encoding_that_powershell_has(encoding):
    (row,) = read_rows(decode(EXPORT_CSV.encode(encoding)))
    assert row == ImportedRow("line 3", *CHAT, "Chat, old")


def test_old_western_bytes_are_better_than_a_failure():
    (row,) = read_rows(decode("SipAddress,DisplayName\na@b.c,Büro\n".encode("cp1252")))
    assert row.display_name == "Büro"


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_the_delimiter_is_the_one_of_the_head(delimiter):
    text = delimiter.join(("SIPADDRESS", "poolfqdn")) + "\n" + delimiter.join(CHAT)
    assert read_rows(text)[0].pool_fqdn == "p.contoso.test"


def test_missing_columns_are_not_said():
    (row,) = read_rows('"Identity"\n"sip:ocschat@contoso.test"\n')
    assert row == ImportedRow("line 2", "sip:ocschat@contoso.test")


@pytest.mark.parametrize(
    "text",
    [
        '{"SipAddress": "sip:a@b.c", "DisplayName": null, "Extra": {"x": 1}}',
        '[{"Identity": "sip:a@b.c"}]',
        '{"value": [{"sip_address": "sip:a@b.c"}], "Count": 1}',
    ],
)
def test_convert_to_json_is_read_alone_in_a_list_or_wrapped(text):
    assert read_rows(text) == [ImportedRow("object 1", "sip:a@b.c")]


def test_a_pool_that_is_an_object_in_powershell_is_read_and_not_lost():
    text = """[{"Identity": {"DistinguishedName": "CN={9f},DC=x", "Name": "9f"},
        "SipAddress": {"Uri": "sip:a@b.c"},
        "PersistentChatPoolFqdn": {"Fqdn": "p.b.c", "IsFqdn": true}}]"""
    assert read_rows(text) == [ImportedRow("object 1", "sip:a@b.c", "p.b.c")]


def test_the_line_that_excel_puts_first_is_skipped():
    (row,) = read_rows("sep=;\r\nSipAddress;Pool\r\na@b.c;p.b.c\r\n")
    assert row == ImportedRow("line 3", "a@b.c", "p.b.c")


@pytest.mark.parametrize(
    "text", ["", "#TYPE x\n", "Name;Other\n1;2\n", "[1]", "[{", "SipAddress\0\ra\r\0b"]
)
def test_what_is_no_export_is_refused(text):
    with pytest.raises(Refused):
        read_rows(text)


@pytest.mark.parametrize(
    "uris",
    [
        '["sip:GC-*@b.c", "sip:X-*@b.c"]',
        '{"value": ["sip:GC-*@b.c", "sip:X-*@b.c"], "Count": 2}',
        '{"Value": ["sip:GC-*@b.c", {"OriginalString": "sip:X-*@b.c"}], "count": 2}',
        '[{"value": "sip:GC-*@b.c"}, {"AbsoluteUri": "sip:X-*@b.c"}]',
        '"sip:GC-*@b.c sip:X-*@b.c"',
        '"sip:GC-*@b.c;sip:X-*@b.c"',
    ],
)
def test_service_uris_are_read_in_every_shape_that_powershell_gives_a_list(uris):
    text = (
        f'{{"value": [{{"SipAddress": "a@b.c", "ServiceUris": {uris}}}], "Count": 1}}'
    )
    assert read_rows(text)[0].service_uris == ("sip:GC-*@b.c", "sip:X-*@b.c")


@pytest.mark.parametrize(
    ("uris", "found"), [("null", None), ("[]", ()), ('{"value": [], "Count": 0}', ())]
)
def test_no_service_uris_are_told_from_none_said(uris, found):
    text = f'[{{"SipAddress": "a@b.c", "ServiceUris": {uris}}}]'
    assert read_rows(text)[0].service_uris == found


@pytest.mark.parametrize(
    "head",
    [
        '"SipAddress","Name; long; with; marks","PersistentChatPoolFqdn"',
        '"Note, one, two, three",SipAddress,Pool',
        '"Name|a|b|c|d",SipAddress,Pool',
    ],
)
def test_delimiters_inside_quotes_do_not_count(head):
    line = (
        ["a@b.c", "x", "p.b.c"] if head.startswith('"Sip') else ["x", "a@b.c", "p.b.c"]
    )
    (row,) = read_rows(f"{head}\n{','.join(line)}\n")
    assert (row.sip_address, row.pool_fqdn) == ("a@b.c", "p.b.c")


def test_excel_tells_the_delimiter_itself():
    (row,) = read_rows("sep=|\nSipAddress|A,B,C,D|Pool\na@b.c|x|p.b.c\n")
    assert (row.sip_address, row.pool_fqdn) == ("a@b.c", "p.b.c")


@pytest.mark.parametrize(
    "text",
    [
        '[{"DisplayName": "Group chat"}]',
        '[{"SipAddress": "a@b.c"}, {"fqdn": "p.b.c", "endpoints": []}]',
        '{"value": [{"SipAddress": ""}], "Count": 1}',
        '[{"Identity": "CN={9f},DC=contoso"}]',
        '["a@b.c", null]',
        '["a@b.c", 7]',
        '{"error": "no such file", "exit_code": 3}',
        '"SipAddress","Pool"\n"","p.b.c"\n',
        "[" * 100_000,
    ],
)
def test_what_names_no_endpoint_is_refused_and_not_taken_for_none(text):
    with pytest.raises(Refused, match="what came through the pipe"):
        identities_of(text)


def test_a_list_that_powershell_wraps_and_a_csv_name_endpoints():
    wrapped = '{"value": [{"SipAddress": "a@b.c"}, "d@b.c"], "Count": 2}'
    assert identities_of(wrapped) == ["a@b.c", "d@b.c"]
    assert identities_of('{"value": [], "Count": 0}') == []
    assert identities_of('#TYPE x\n"Identity";"Pool"\n"a@b.c";"p"\n') == ["a@b.c"]


def test_a_distinguished_name_is_no_address():
    assert read_rows('Identity\n"CN={9f},DC=contoso"\n')[0].sip_address == ""


RICH = Endpoint(
    *("sip:ocschat@contoso.test", "ocschat@contoso.test", "p.contoso.test"),
    display_name='Chat "old"; Büro',
    request_uri="keep",
    service_uris=("sip:GC-*@contoso.test", "sip:X-*@contoso.test"),
    state="retired",
    retired_text="Gone, use the new one",
    created_at=1.0,
    changed_at=1.0,
)


@pytest.mark.parametrize("write", [to_csv, to_json])
def test_what_is_exported_comes_back_as_it_was(write):
    order = Import(read_rows(write([RICH])), Rules())
    lines, changes = judge(order, EndpointTable([RICH]), 2.0)
    assert [line.verdict for line in lines] == ["same"] and changes == []
    (change,) = decide_import(order, 1.0, skip_refused=False)(EndpointTable())
    assert change.after == RICH


def test_identities_come_from_objects_strings_or_lines():
    assert identities_of('[{"SipAddress": "sip:a@b.c"}, "d@b.c"]') == [
        "sip:a@b.c",
        "d@b.c",
    ]
    assert identities_of("a@b.c\n\nd@b.c\n") == ["a@b.c", "d@b.c"]
