"""A program that somebody else wrote, run to its end."""

import asyncio


async def run_program(*line: str, seconds: float) -> tuple[int, str]:
    """Its exit status, and all that it has printed."""
    child = await asyncio.create_subprocess_exec(
        *line,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return await child.wait(), said.decode()
