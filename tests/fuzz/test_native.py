"""The fuzzer of the C function finds what it is for; where there is a clang."""

import pytest

from tests.fuzz import native

FAULTS = {
    "one line too many": ("found >= most ||", "found > most ||"),
    "room for fewer lines": ("*ends[MOST]", "*ends[MOST - 1]"),
    "a control character": ("byte < 0x20 && ", "byte < 0x1F && "),
    "a second length": ("found >= 0 && length >= 0", "found > 0 && length > 0"),
    "a byte of each line": ("ends[n] - at)", "ends[n] - at + (n > 9))"),
}

pytestmark = pytest.mark.skipif(
    not native.is_possible(), reason="no clang with libFuzzer on this machine"
)


def test_the_c_function_is_the_definition(tmp_path):
    is_equal, told = native.fuzz(native.build(tmp_path), 2, 1, tmp_path)
    assert is_equal, told
    assert int(told.split()[1]) > 1_000


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_it_is_found(tmp_path, fault):
    source = (native.SOURCES / "scanner.c").read_text()
    old, new = FAULTS[fault]
    assert source.count(old) == 1
    (tmp_path / "scanner.c").write_text(source.replace(old, new))
    is_equal, told = native.fuzz(native.build(tmp_path, tmp_path), 60, 1, tmp_path)
    assert not is_equal, told
    assert list(tmp_path.glob("scanner-crash-*"))
