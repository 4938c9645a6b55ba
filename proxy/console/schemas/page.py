"""docs/json.md and docs/json.schema.json, as far as they are made from the shapes.

``python -m proxy.console.schemas.page FOLDER`` writes both; what stands in the page
before the mark is written by people.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from proxy.console.schemas.verbs import OTHERS, VERBS, models, name_of, schema

MARK: Final = "<!-- From here on `make json` writes. -->\n"


def tables() -> str:
    """The part of the page that is made."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "## Verbs\n\n| verb | prints |\n|---|---|"
    for verb, kind in VERBS.items():
        yield f"| `{verb}` | {name_of(kind)} |"
    yield "\n## Verbs without JSON\n\n| verb | prints |\n|---|---|"
    for verb, what in OTHERS.items():
        yield f"| `{verb}` | {what} |"
    yield "\n## Shapes"
    defined = schema()["$defs"]
    shown = dict.fromkeys(model.__name__ for model in models())
    for name in (*shown, *(each for each in defined if each not in shown)):
        yield from _shape(name, defined[name])


def _shape(name: str, about: dict[str, Any]) -> Iterator[str]:
    yield f"\n### {name}\n\n{' '.join(about.get('description', '').split())}\n"
    keys = about.get("properties", {})
    if not keys:
        return
    required = about.get("required", ())
    yield "| key | type |\n|---|---|"
    for key, value in keys.items():
        missing = "" if key in required else ", may be absent"
        yield f"| `{key}` | {_type(value)}{missing} |"


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        return str(value["$ref"].rpartition("/")[2])
    if "anyOf" in value:
        return " or ".join(map(_type, value["anyOf"]))
    if "enum" in value:
        return " or ".join(f"`{each}`" for each in value["enum"])
    if value.get("format") == "date-time":
        return "instant"
    if value.get("type") == "array":
        return f"list of {_type(value.get('items', {}))}"
    return str(value.get("type", "any"))


def write(folder: Path) -> None:
    """Both files anew."""
    page = folder / "json.md"
    head = page.read_text("utf-8").partition(MARK)[0]
    page.write_text(f"{head}{MARK}\n{tables()}", "utf-8")
    (folder / "json.schema.json").write_text(json.dumps(schema(), indent=1) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
