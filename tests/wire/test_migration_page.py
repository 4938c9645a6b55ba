"""docs/migration.md says what happens: every command on it, on a real weekend.

Between the commands people and machines do what the page tells of in comments,
``<!-- meanwhile: the old service stops -->``.
"""

import asyncio
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from proxy.cli.session import current_actor
from tests.support.warm import run
from tests.wire.test_weekend import Weekend, weekend

PAGE = Path(__file__).parents[2] / "docs" / "migration.md"
PART = re.compile(
    r"<!-- meanwhile: (?P<meanwhile>.*?) -->"
    r"|^```console\n(?P<console>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
FILE = re.compile(r"^```(toml|csv)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = {"toml": "weekend.toml", "csv": "endpoints.csv"}
NAMED = re.compile(r"# (\S+\.toml)\n")  # in the first line of a second plan


def parts(page: str) -> Iterator[tuple[str, str]]:
    """("meanwhile", what) and (line, expected output), in their order."""
    for found in PART.finditer(page):
        if found["meanwhile"]:
            yield "meanwhile", found["meanwhile"]
            continue
        for step in found["console"].removeprefix("$ ").split("\n$ "):
            line, _, expected = step.partition("\n")
            yield line, expected.strip("\n")


def plain(text: str, directory: Path | None = None, *, narrow: bool = True) -> str:
    """Without what differs from run to run: times, ports, names, widths."""
    actor = current_actor()
    if directory is not None:
        text = text.replace(str(directory), "/etc/waypost")
        text = text.replace(actor.origin, "cli on proxy1")
        text = re.sub(rf"\b{re.escape(actor.name)}\b(?=\s+\(?cli on)", "anna", text)
        text = text.replace(f'"by": "{actor.name}"', '"by": "anna"')
        text = text.replace(f"({actor.name}, ", "(anna, ")
        text = text.replace(f" | {actor.name} | ", " | anna | ")
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", "<instant>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<instant>", text)
    text = re.sub(r'"at": [\d.]+', '"at": 0', text)
    text = re.sub(r"\b[\d.]+ ms\b", "<ms>", text)
    text = re.sub(r"(127\.0\.0\.\d+):\d+", r"\1:5060", text)
    text = re.sub(r"\b[0-9a-f]{10}\b", "4f0c1d2e3b", text)
    text = re.sub(r"Rolled back in : .*", "Rolled back in : 30 min", text)
    # The first round of chat probes may still be under way.
    text = re.sub(r"\nProbes\s*: unknown: no round yet", "", text)
    none = "0 of 4 calls failed (0.0 %)"
    text = re.sub(r"So far(\s*): no calls yet", rf"So far\1: {none}", text)
    text = re.sub(r"So far(\s*): 0 of \d+ calls", r"So far\1: 0 of 4 calls", text)
    text = re.sub(r"armed, \d+ min left", "armed, 30 min left", text)
    if narrow:
        text = re.sub(r"[ -]{2,}", "  ", text)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


class Reader:
    """Somebody who does what the page says, in its order."""

    def __init__(self, world: Weekend) -> None:
        self.world = world
        self.directory = world.scene.config.parent
        self.environment = {
            **os.environ,
            "WAYPOST_CONFIG": str(world.scene.config),
        }

    async def run(self, line: str) -> str:
        """What a line prints, with its exit code when that is not 0."""
        output, code = "", 0
        for words in line.split(" | "):
            done = await run(
                *shlex.split(words)[1:],
                cwd=self.directory,
                env=self.environment,
                given=output.encode(),
                together=True,
            )
            output, code = done.stdout, done.returncode
        await self.world.scene.follows()  # a person types slower than it does
        return output.strip("\n") + (f"\n[exit code {code}]" if code else "")

    async def meanwhile(self, what: str) -> None:
        """Something that no command does."""
        world = self.world
        if what == "the old service runs":
            assert await world.lookup.register() == 200
            await world.reaches(world.old)
        elif what == "the old service stops":
            assert await world.lookup.sign_off() == 200
        elif what == "the client signs in":
            await world.reaches(world.new)
            await asyncio.sleep(1.0)
        elif what == "the old service comes back":
            assert await world.lookup.register() == 403
            await asyncio.sleep(0.5)
        elif what == "the plan is applied again and confirmed":
            await world.type("cutover", "apply", str(self.directory / "weekend.toml"))
            await world.type("cutover", "confirm")
            await world.scene.follows()
        else:
            raise AssertionError(f"the page tells of something unknown: {what}")


async def read_page(page: str, directory: Path) -> list[tuple[str, str, str]]:
    """Do all of a page: (line, what it should print, what it printed)."""
    done = []
    async with weekend(directory) as world:
        for kind, text in FILE.findall(page):
            named = NAMED.match(text)
            (directory / (named[1] if named else NAMES[kind])).write_text(text)
        reader = Reader(world)
        for line, expected in parts(page):
            if line == "meanwhile":
                await reader.meanwhile(expected)
            else:
                done.append((line, expected, await reader.run(line)))
    return done


async def test_every_command_of_the_page_prints_what_it_says(tmp_path: Path) -> None:
    done = await read_page(PAGE.read_text(), tmp_path)
    for line, expected, printed in done:
        assert plain(printed, tmp_path) == plain(expected), line
    assert len(done) > 15
