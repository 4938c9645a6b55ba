"""The playbook fixture: every scenario is checked for unmentioned output at its end."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.playbook import Playbook

OpenPlaybook = Callable[..., Playbook]


@pytest.fixture
def playbook() -> Iterator[OpenPlaybook]:
    """A factory of playbooks, with the keywords of `Playbook`."""
    opened: list[Playbook] = []

    def open_playbook(**settings) -> Playbook:
        opened.append(Playbook(**settings))
        return opened[-1]

    yield open_playbook
    for each in opened:
        each.finish()


@pytest.fixture
def play(playbook: OpenPlaybook) -> Playbook:
    """A playbook with all defaults: one alias, one pool of two front ends, UDP."""
    return playbook()
