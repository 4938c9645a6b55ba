"""``make map`` draws what is there, within 80 columns."""

import json
from pathlib import Path

from tests.architecture import WIDTH, Longest, drawn, main, survey
from tests.test_architecture import ARROWS


def write(folder: Path, **modules: str) -> None:
    for name, text in modules.items():
        path = folder / "proxy" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_package_is_counted_and_its_arrows_are_found(tmp_path):
    write(
        tmp_path,
        sip__uri='"""One."""\n\nclass Uri:\n    def parse(self):\n        return 1\n',
        net__udp="from proxy.sip.uri import parse\nfrom proxy import clock\n",
        clock="import time\n",
    )
    by_name = {each.name: each for each in survey(tmp_path).packages}
    assert set(by_name) == {"sip", "net", "clock"}
    assert by_name["net"].imports == ["clock", "sip"]
    assert by_name["sip"].longest_module == Longest("uri", 5)
    assert by_name["sip"].longest_function == Longest("Uri.parse", 2)
    assert by_name["clock"].longest_function == Longest("-", 0)


def test_a_circle_is_named_and_is_an_exit_code(tmp_path, capsys):
    write(tmp_path, a__one="import proxy.b.two\n", b__two="import proxy.a.one\n")
    assert main([], tmp_path) == 1
    assert "circles: 1\n  a.one b.two\n" in capsys.readouterr().out
    assert main(["--json"], tmp_path) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["circles"] == [["proxy.a.one", "proxy.b.two"]]
    write(tmp_path, b__two="")
    assert main([], tmp_path) == 0
    assert "circles: 0\n" in capsys.readouterr().out


def test_the_map_of_this_project_fits_and_has_the_arrows_that_are_allowed():
    found = survey()
    assert all(len(line) <= WIDTH for line in drawn(found).split("\n"))
    for each in found.packages:
        if each.name in ARROWS:
            shell = {"config", "clock"}
            assert set(each.imports) - shell <= ARROWS[each.name] - shell
