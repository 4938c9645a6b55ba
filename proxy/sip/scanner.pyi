def cut(data: bytes, most: int, /) -> tuple[list[bytes], bytes] | None: ...
def name(
    lines: list[bytes],
    starts: list[list[tuple[bytes, str]]],
    known: dict[bytes, str],
    /,
) -> tuple[list[str], dict[str, int]] | None: ...
