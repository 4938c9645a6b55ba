"""How much memory there is, by the control groups of a unit or a container."""

import subprocess
import sys
from pathlib import Path

import pytest

from proxy.server.host.memory import MOST_TRANSACTIONS, memory_limit, shares

MIB = 1024 * 1024
UNIT = "system.slice/waypost.service"


def lay_out(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        (f"0::/{UNIT}\n", {f"{UNIT}/memory.max": "536870912\n"}, 512 * MIB),
        (
            f"0::/{UNIT}\n",
            {
                f"{UNIT}/memory.max": "max\n",
                f"{UNIT}/memory.high": "268435456\n",
                "system.slice/memory.max": "134217728\n",
            },
            128 * MIB,
        ),
        ("0::/\n", {"memory.max": "67108864\n"}, 64 * MIB),  # inside a container
        ("0::/../host/only\n", {"memory.max": "67108864\n"}, 64 * MIB),
        (
            "12:pids:/x\n4:cpu,memory:/docker/1\n",
            {"memory/docker/1/memory.limit_in_bytes": "67108864\n"},
            64 * MIB,
        ),
    ],
)
def test_the_least_limit_of_our_control_groups_counts(
    tmp_path: Path, groups: str, files: dict[str, str], limit: int
) -> None:
    (tmp_path / "cgroup").write_text(groups)
    mounted = lay_out(tmp_path / "mounted", files)
    assert memory_limit(tmp_path / "cgroup", mounted) == limit


@pytest.mark.parametrize("groups", ["", "0::/x\n", "4:memory:/y\n"])
def test_without_a_limit_it_is_a_quarter_of_the_machine(
    tmp_path: Path, groups: str
) -> None:
    (tmp_path / "cgroup").write_text(groups)
    unlimited = str((1 << 63) - 4096)
    files = {"memory/memory.limit_in_bytes": unlimited, "memory.max": "max"}
    found = memory_limit(tmp_path / "cgroup", lay_out(tmp_path / "mounted", files))
    assert 128 * MIB < found < 1 << 44


def test_the_shipped_unit_has_room_for_what_it_is_allowed() -> None:
    """Program and connections need the rest."""
    unit = Path(__file__).parents[3] / "config/systemd/waypost.service"
    assert "MemoryMax=512M" in unit.read_text()
    found = shares(512 * MIB, 0)
    assert found.requests + found.buffers < 0.5 * 512 * MIB
    assert 40_000 < found.transactions < MOST_TRANSACTIONS


def test_transactions_follow_from_the_memory_unless_they_are_written() -> None:
    assert shares(64 * MIB, 0).transactions < 8_000
    assert shares(1 << 40, 0).transactions == MOST_TRANSACTIONS
    assert shares(64 * MIB, 7).transactions == 7


def test_workers_share_what_the_node_has() -> None:
    one, four = shares(1024 * MIB, 0), shares(1024 * MIB, 1_000, 4)
    assert 4 * four.requests < one.requests
    assert four.transactions == 250


TABLES = """
import ctypes
from proxy.server.host.memory import keep_tables_apart

class Info(ctypes.Structure):
    _fields_ = [(str(n), ctypes.c_size_t) for n in range(10)]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
keep_tables_apart()
large = bytes(8 << 20)
del large  # from here on glibc would put such blocks into its heap
before = libc.mallinfo2()
tables = [bytes(2 << 20) for _ in range(8)]
after = libc.mallinfo2()
print(getattr(after, "4") - getattr(before, "4") >> 20)  # mapped by themselves
del tables
print(getattr(libc.mallinfo2(), "4") - getattr(before, "4") >> 20)
"""


def test_a_large_table_is_mapped_by_itself_also_after_one_was_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TABLES], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["16", "0"], done.stderr
