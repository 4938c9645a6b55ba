"""New certificate files are taken when they are whole, and bad ones never."""

import shutil
from pathlib import Path

import pytest

from proxy.net.errors import NetError
from proxy.net.tls import TlsFiles, client_end, server_end
from proxy.server.certificates import Certificates
from tests.support.certificates import Authority

NAME = "proxy.contoso.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class World:
    """Files in force, and others to be put in their place."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder, self.authority = folder, authority
        self.put(authority.issue(NAME))
        self.files = TlsFiles(self.certificate, self.key, authority.ca)
        self.end = server_end(self.files)
        self.certificates = Certificates([self.end], NAME)

    @property
    def certificate(self) -> str:
        return str(self.folder / "c.pem")

    @property
    def key(self) -> str:
        return str(self.folder / "c.key")

    def put(self, issued: TlsFiles, *, key: bool = True, chain: bool = True) -> None:
        assert issued.certificate is not None and issued.key is not None
        if chain:
            shutil.copy(issued.certificate, self.certificate)
        if key:
            shutil.copy(issued.key, self.key)

    def look(self, times: int = 2) -> bool:
        """Whether another context is in force afterwards."""
        before = self.end.context
        for _ in range(times):
            self.certificates.look()
        return self.end.context is not before


@pytest.fixture
def world(tmp_path: Path, authority: Authority) -> World:
    return World(tmp_path, authority)


def test_files_that_stay_the_same_are_left_alone(world: World) -> None:
    assert not world.look(5) and world.certificates.reloads == 0


def test_new_files_count_when_they_have_stayed_for_one_look(world: World) -> None:
    world.put(world.authority.issue(NAME))
    assert not world.look(1)
    assert world.look(1) and world.certificates.reloads == 1
    assert not world.look(3)


def test_a_certificate_whose_key_is_still_to_come_is_waited_for(world: World) -> None:
    issued = world.authority.issue(NAME)
    world.put(issued, key=False)
    assert not world.look(1)
    world.put(issued)
    assert not world.look(1)
    assert world.look(1) and world.certificates.failures == 0


def test_files_that_are_no_good_are_judged_once_and_the_old_ones_stay(world) -> None:
    world.put(world.authority.issue("other.test"))
    assert not world.look(4)
    assert (world.certificates.failures, world.certificates.reloads) == (1, 0)
    world.put(world.authority.issue(NAME))
    assert world.look()


def test_files_that_vanish_change_nothing(world: World) -> None:
    Path(world.certificate).unlink()
    assert not world.look(3) and world.certificates.failures == 1


def test_what_is_in_force_at_the_start_is_judged_and_shown(world: World) -> None:
    world.certificates.check()
    shown = world.certificates.shown[world.certificate]
    assert NAME in shown.names
    with pytest.raises(NetError):
        Certificates([world.end], "elsewhere.test").check()


def test_one_that_only_pools_see_is_doubted_and_used(world: World) -> None:
    """Not every pool asks for it."""
    end = client_end(world.files)
    certificates = Certificates([end], "elsewhere.test")
    certificates.check()
    assert world.certificate in certificates.shown


async def test_without_files_nobody_looks() -> None:
    await Certificates().watch()
