"""A number with its noun."""

import pytest

from proxy.admin.counted import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 changes"), (1, "1 change"), (1200, "1200 changes")]
)
def test_one_alone_is_singular(number, said):
    assert counted(number, "change") == said
