"""Line numbers of TOML keys."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from proxy.config.toml_lines import line_of, locate_keys

TEXT = '''# a comment with key = 1
[proxy]
domains = [
  "a = 1",   # not a key = 2
  "[b]",
]
text = """
inside = 3
[table]
"""
dotted . name = 1

[[listen]]
transport = "udp"
[[listen]]   # again
"address" = '1'
inline = { x = 1, y = [2] }
'''


def test_keys_are_found_where_they_stand():
    lines = locate_keys(TEXT)
    assert lines[("proxy",)] == 2
    assert lines[("proxy", "domains")] == 3
    assert lines[("proxy", "text")] == 7
    assert lines[("proxy", "dotted", "name")] == 11
    assert lines[("listen", 0)] == 13
    assert lines[("listen", 0, "transport")] == 14
    assert lines[("listen", 1)] == 15
    assert lines[("listen", 1, "address")] == 16
    assert lines[("listen", 1, "inline")] == 17


def test_text_inside_strings_and_comments_is_not_a_key():
    names = {part for path in locate_keys(TEXT) for part in path}
    assert names.isdisjoint({"key", "a", "b", "inside", "table", "x", "y"})


def test_a_key_that_is_not_there_is_at_its_table():
    lines = locate_keys(TEXT)
    assert line_of(lines, ("listen", 1, "transport")) == 15
    assert line_of(lines, ("nothing", "here")) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b-1", '"c d"', "e.f"]),
            st.sampled_from(
                ["1", '"x # [y] = 2"', "[1,\n 2]", '"""\nz = 1\n"""', "{ q = 1 }"]
            ),
        ),
        unique_by=lambda pair: pair[0],
    )
)
def test_every_key_is_found_on_the_line_it_was_written(pairs):
    text, written = "[t]\n", {}
    for key, value in pairs:
        written[key] = text.count("\n") + 1
        text += f"{key} = {value}\n"
    tomllib.loads(text)
    lines = locate_keys(text)
    for key, line in written.items():
        names = tuple(key.strip('"').split(".")) if '"' not in key else (key[1:-1],)
        assert lines[("t", *names)] == line
