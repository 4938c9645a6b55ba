"""`waypost endpoint import` and `export`."""

import pytest

CSV = (
    '#TYPE Something\n"SipAddress";"DisplayName";"PersistentChatPoolFqdn"\n'
    '"sip:ocschat@contoso.test";"Chat";"pcpool.contoso.test"\n'
    '"second@contoso.com";"";""\n'
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "endpoints.csv"
    path.write_bytes(CSV.encode("utf-16"))
    return str(path)


def test_look_first_then_import_in_one_transaction(waypost, file):
    line = ("endpoint", "import", file, "--pool-fqdn", "new.contoso.test")
    assert waypost(*line, "--what-if") == 0
    assert waypost.out.splitlines() == [
        "What if: create  sip:ocschat@contoso.test",
        "What if: create  sip:second@contoso.com",
        "What if: 2 rows: 2 create",
    ]
    waypost("endpoint", "get", "--json")
    assert waypost.json == []
    assert waypost(*line) == 0
    assert waypost(*line) == 0
    assert waypost.out.splitlines()[-1] == "2 rows: 2 same"
    waypost("endpoint", "history", "--json")
    assert {row["version"] for row in waypost.json} == {1}


def test_a_bad_row_stops_the_import_and_says_which(waypost, file):
    assert waypost("endpoint", "import", file) == 1
    assert "line 4: second@contoso.com: names no pool" in waypost.err
    assert waypost("endpoint", "import", file, "--skip-refused") == 0
    assert waypost.out.splitlines()[-1] == "2 rows: 1 create, 1 refused"


def test_a_dry_run_ends_as_the_import_would(waypost, file):
    line = ("endpoint", "import", file, "--what-if")
    assert waypost(*line) == 1
    refused, last = waypost.out.splitlines()[1:]
    assert refused.startswith("What if: refused second@contoso.com (line 4): names no")
    assert last == "What if: 2 rows: 1 create, 1 refused"
    assert waypost(*line, "--json") == 1
    assert waypost(*line, "--skip-refused") == 0


def test_who_is_registered_is_not_imported_without_force(waypost, file, bind):
    bind("ocschat@contoso.test")
    line = ("endpoint", "import", file, "--pool-fqdn", "new.contoso.test")
    assert waypost(*line) == 1
    assert "somebody is registered" in waypost.err
    assert waypost(*line, "--force") == 0
    waypost("endpoint", "history", "--json")
    assert {row["verb"] for row in waypost.json} == {"endpoint.import --force"}


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_is_imported_again_as_it_was(waypost, file, tmp_path, form):
    waypost("endpoint", "import", file, "--pool-fqdn", "new.contoso.test")
    path = str(tmp_path / "out")
    assert waypost("endpoint", "export", "--format", form, "--output", path) == 0
    waypost("endpoint", "remove", "ocschat@contoso.test")
    assert waypost("endpoint", "import", path) == 0
    assert waypost.out.splitlines()[-1] == "2 rows: 1 create, 1 same"
    waypost("endpoint", "get", "ocschat@contoso.test", "--json")
    assert waypost.json[0]["display_name"] == "Chat"


def test_a_file_that_is_not_there_says_so(waypost):
    assert waypost("endpoint", "import", "/nowhere.csv") == 1
    assert "cannot be read" in waypost.err
