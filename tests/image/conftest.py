"""Fixtures: a private daemon, the image, containers."""

from __future__ import annotations

import pytest

from tests.image.fake_docker import launcher  # noqa: F401  (a fixture)
from tests.image.kit import Containers
from tests.image.kit import kit as make_kit


def pytest_collection_modifyitems(items):
    """Put what takes longest last: a small mistake elsewhere shows first."""

    def late(item):
        return 2 * bool(item.get_closest_marker("vm")) + bool(item.get_closest_marker("docker"))

    items.sort(key=late)


@pytest.fixture(scope="session")
def kit(pytestconfig):
    made = make_kit(pytestconfig)
    yield made
    made.exits.close()  # with the last test: a process that shares a run is given seconds to end


@pytest.fixture
def containers(kit):
    started = Containers(kit)
    yield started
    started.remove()


@pytest.fixture
def work(tmp_path_factory):
    """Give a function that makes a folder with a given owner, reachable by any user."""

    def make(uid=1000, gid=100, mode=0o755):
        import os

        folder = tmp_path_factory.mktemp("work")
        for parent in (folder.parent, folder.parent.parent):
            parent.chmod(0o755)
        os.chown(folder, uid, gid)
        folder.chmod(mode)
        return folder

    return make
