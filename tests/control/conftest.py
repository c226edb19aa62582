"""Tests of the lab that is up, in which one of its machines runs Ansible, as for Vagrant on Windows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.inventory import Inventory
from lab.machines import Lab


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "control: provisions the whole lab from one of its machines")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    lab = Lab(Inventory.load())
    yield lab
    lab.close()
