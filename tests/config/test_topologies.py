"""docs/topologies.md: its configuration loads, its commands and options exist."""

import re
import shlex
from pathlib import Path

from typer.main import get_command

from proxy.cli.app import app
from proxy.cli.tree import command_tree
from proxy.config import load_config

PAGE = (Path(__file__).parents[2] / "docs" / "topologies.md").read_text()


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", PAGE, re.M | re.S)
    return [re.sub(f"(?m)^{indent}", "", text) for indent, text in found]


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    common, clients = blocks("toml")
    path = tmp_path / "waypost.toml"
    path.write_text(common)
    config = load_config(path, {})
    assert config.advertised_host == "proxy.contoso.com"
    assert config.listen[0].verify_client == "required"
    before, _, after = common.partition("[[listen]]")
    path.write_text(before + clients + after[after.index("[tls]") :])
    assert load_config(path, {}).listen[0].first_hop


def test_every_command_exists() -> None:
    known = {
        " ".join(command.path[1:]): {n for o in command.options for n in o.names}
        for command in command_tree(get_command(app)).walk()
    }
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    inline = [" ".join(x.split()) for x in re.findall(r"`(waypost [^`]+)`", PAGE)]
    assert len(lines) == 2 and len(inline) > 5
    for line in lines + inline:
        words = shlex.split(line)[1:]
        path = next(p for p in (" ".join(words[:2]), words[0]) if p in known)
        for option in (word for word in words if word.startswith("--")):
            assert option in known[path], line


def test_each_topology_has_a_picture_and_a_way_back() -> None:
    parts = re.split(r"(?m)^## ([ABC])\. ", PAGE)
    assert parts[1::2] == ["A", "B", "C"]
    for part in parts[2::2]:
        assert "```mermaid" in part
        assert "**Go back" in part
        assert "*Verify:*" in part
