"""The key file: the first key signs, all are accepted, errors say what to write."""

import pytest

from proxy.config.keys import KeyFileError, read_keys

ONE, TWO = "ab" * 32, "cd" * 40


def test_keys_come_in_their_order(tmp_path):
    path = tmp_path / "route.key"
    path.write_text(f"# new\n{ONE}\n\n{TWO}  # old\n")
    assert read_keys(path) == (bytes.fromhex(ONE), bytes.fromhex(TWO))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no key"),
        ("# nothing\n", "holds no key"),
        (f"{ONE}\nab\n", r":2: a key is 64 hexadecimal digits"),
        ("no key at all\n", r":1: a key is"),
    ],
)
def test_what_is_no_key_is_refused_with_its_line(tmp_path, text, said):
    path = tmp_path / "route.key"
    path.write_text(text)
    with pytest.raises(KeyFileError, match=said):
        read_keys(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(KeyFileError, match="openssl rand -hex 32"):
        read_keys(tmp_path / "route.key")
