"""``waypost person``: who may sign in with a name and a password."""

import io


def test_a_person_is_made_changed_and_removed(waypost, monkeypatch):
    def give(text):
        monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))

    give("correct horse battery")
    line = ("person", "new", "carla", "--role", "admin", "--password-stdin")
    assert waypost(*line) == 0
    assert waypost.out == "carla may sign in as admin\n"
    assert waypost("person", "set", "carla", "--role", "viewer") == 0
    assert waypost.out == "carla is viewer\n"
    give("short")
    assert waypost("person", "set", "carla", "--password-stdin") == 1
    assert "12 to 1024" in waypost.err
    waypost("person", "list", "--json")
    assert [(x["name"], x["role"]) for x in waypost.json] == [("carla", "viewer")]
    assert waypost("person", "remove", "carla") == 0
    waypost("person", "list")
    assert waypost.out == "no people\n"
