"""What is wrong with a configuration, in sentences."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, and a sentence that says what to write."""

    source: str  # file name, or the environment variable; empty when there is none
    line: int | None
    key: str
    text: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.text) if part)


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` is everything that is wrong."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))
