"""The C function cuts a message as the definition does, and reads no byte too many."""

import importlib.machinery
import importlib.util
import random
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import proxy
from proxy.sip import cutting
from proxy.sip.cutting import MOST, cut, cut_plainly, name_lines, name_plainly
from proxy.sip.names import COMMON_STARTS, known_names
from tests.support.messages import request

HERE = Path(__file__).parents[2]
SOURCE = Path(proxy.__file__).parent / "sip" / "scanner.c"
if not SOURCE.exists():  # an installed build has no sources
    SOURCE = HERE / "proxy" / "sip" / "scanner.c"
PIECES = (
    *(b"\r\n", b"\r\n\r\n", b"Via: a", b"To: <sip:x>", b"12345678", b"x" * 40, b"a"),
    *(
        b"\r",
        b"\n",
        b"\0",
        b"\t",
        b" ",
        b"\x1f",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"\xc3\xa9",
    ),
)
PLAIN = 7  # of these; the others are rare
NAMES = (b"Via", b"via", b"v", b"f", b"From", b"CSeq", b"X-Own", b"X-New", b"Vi", b"")
KNOWN = {b"v": "via", b"via": "via", b"f": "from", b"X-Own": "x-own", b"": "empty"}
# Run under sanitizers: leaves at the first byte that is read outside, or not equal.
HAMMER = """
import sys
sys.path[:0] = [{here!r}]
from tests.sip.test_plain_end import compare_ends
from tests.sip.test_cutting import compare, compare_names, loaded
module = loaded({path!r})
print(compare(module.cut, {count}), compare_names(module.name, {count}))
print(compare_ends(module.end, {count}))
"""


def loaded(path: str):
    """The extension module in this file."""
    loader = importlib.machinery.ExtensionFileLoader("scanner", path)
    spec = importlib.util.spec_from_loader("scanner", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def compare(other, count: int) -> int:
    """Cut so many messages both ways; how many were plain."""
    rng, plain = random.Random(7), 0
    for _ in range(count):
        pieces = PIECES[:PLAIN] if rng.random() < 0.5 else PIECES
        data = b"".join(rng.choice(pieces) for _ in range(rng.randrange(30)))
        most = rng.choice((1, 2, 5, 128, MOST, MOST + 1))
        expected = cut_plainly(data, most)
        assert other(data, most) == expected, (data, most)
        plain += expected is not None
    return plain


def compare_names(other, count: int) -> int:
    """Name so many heads both ways; how many had names that are known."""
    rng, named = random.Random(11), 0
    for _ in range(count):
        names = NAMES[:7] if rng.random() < 0.7 else NAMES
        lines = [
            rng.choice(names)
            + rng.choice((b":", b": a", b": a:b", b":", b": x", b" :"))
            if rng.random() < 0.95
            else rng.choice((b"", b"Via", b"V", b"\xff:", b"\0"))
            for _ in range(rng.randrange(9))
        ]
        expected = name_plainly(lines, COMMON_STARTS, KNOWN)
        found = other(lines, COMMON_STARTS, KNOWN)
        assert found == expected, lines
        if expected is not None:
            named += 1
            assert list(found[1]) == list(expected[1])
    return named


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory) -> tuple[Path, str]:
    """The C file with the compiler's checks in it, and the library that they need."""
    compiler = shutil.which("gcc")
    if compiler is None or not SOURCE.exists():
        pytest.skip("no gcc: nothing is compiled on this machine")
    built = tmp_path_factory.mktemp("scanner") / "scanner.so"
    include = sysconfig.get_paths()["include"]
    if not (Path(include) / "Python.h").exists():
        pytest.skip("no Python.h: nothing is compiled on this machine")
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    warnings = ["-Wall", "-Wextra", "-Werror"]
    line = [compiler, "-O1", *warnings, *checks, "-shared", "-fPIC", f"-I{include}"]
    subprocess.run([*line, str(SOURCE), "-o", str(built)], check=True)
    asks = [compiler, "-print-file-name=libasan.so"]
    library = subprocess.run(asks, capture_output=True, text=True, check=True)
    return built, library.stdout.strip()


def test_it_is_the_definition_under_the_compilers_own_checks(sanitized):
    built, library = sanitized
    code = HAMMER.format(here=str(HERE), path=str(built), count=20_000)
    more = {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=more, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    plain, named, ended = done.stdout.split()
    assert int(plain) > 4_000
    assert int(named) > 4_000
    assert int(ended) > 2_000


def test_what_is_in_use_is_the_definition():
    assert compare(cut, 5_000) > 1_000
    assert compare(cut_plainly, 10) >= 0
    assert compare_names(name_lines, 5_000) > 1_000
    assert cutting._scanner() == (cut, name_lines)


@pytest.mark.parametrize("arguments", [(), (b"",), (b"", 1, 2), ("x", 1), (b"", "x")])
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(TypeError):
        cut(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [(), ([], [], {}, 1), ([b"", b"a"], [], {}), (["", "a"], [], {})],
)
def test_wrong_tables_are_refused(arguments):
    with pytest.raises((TypeError, IndexError)):
        name_lines(*arguments)


def test_lines_have_the_names_that_are_known_and_the_place_where_each_stands_first():
    lines = [b"INVITE x", b"Via: a", b"v: b", b"CSeq: 1", b"x-unheard-of: 1"]
    found = name_lines(lines[:4], COMMON_STARTS, known_names)
    names = ["", "via", "via", "cseq"]
    assert found == (names, {"": 0, "via": 1, "cseq": 3})
    assert name_lines(lines, COMMON_STARTS, known_names) is None
    assert name_lines([b"", b"no colon"], COMMON_STARTS, known_names) is None
    assert name_lines([], COMMON_STARTS, known_names) == ([], {})


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"a\r\n\r\nbody", [b"a"]),
        (b"\r\n\r\n", [b""]),
        (b"\r\na\r\n\r\n", [b"", b"a"]),
        (b"a\tb\xc3\xa9\r\nc\r\n\r\n\r\n", [b"a\tb\xc3\xa9", b"c"]),
        (b"", None),
        (b"a\r\n", None),
        (b"a\rb\r\n\r\n", None),
        (b"a\nb\r\n\r\n", None),
        (b"a\r\r\n\r\n", None),
        (b"a\0\r\n\r\n", None),
        (b"a\x7f\r\n\r\n", None),
    ],
)
def test_a_head_is_cut_at_its_line_ends_and_control_characters_are_not_plain(
    data, lines
):
    found = cut(data, 100)
    assert (None if found is None else found[0]) == lines
    if found is not None:
        assert b"\r\n".join(found[0]) + b"\r\n\r\n" + found[1] == data


def test_too_many_lines_are_not_plain():
    for count, most in ((5, 5), (MOST, 10_000)):
        assert cut(b"a\r\n" * count + b"\r\n", most) == ([b"a"] * count, b"")
        assert cut(b"a\r\n" * (count + 1) + b"\r\n", most) is None


def test_a_message_is_what_its_lines_and_its_body_are():
    data = request(body=b"\0\r\n\r\n\0")
    lines, body = cut(data, 100)
    assert b"\r\n".join(lines) + b"\r\n\r\n" + body == data
