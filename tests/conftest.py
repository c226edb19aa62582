"""Fixtures for all test suites."""

import signal
from collections.abc import Iterator

import pytest

from tests import compiled
from tests.workbench import Workbench, WorkbenchError

compiled.keep()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--extra-vars",
        metavar="FILE",
        help="variables that override the inventory's: the FILE passed to ansible-playbook as --extra-vars=@FILE",
    )


def pytest_configure() -> None:
    """What fixtures have started ends with the run, however it is stopped: SIGTERM cleans up as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def workbench() -> Iterator[Workbench]:
    """The daemons' own checkers, in one container for the whole run."""
    try:
        with Workbench() as bench:
            yield bench
    except WorkbenchError as error:
        pytest.fail(str(error), pytrace=False)
