"""Work that takes long announces itself, so that the worker lets another thread answer requests meanwhile."""

from collections.abc import Callable
from contextvars import ContextVar

_listener: ContextVar[Callable[[], object] | None] = ContextVar("listener", default=None)


def announce() -> None:
    """Tell the worker that this thread will be busy or wait for some milliseconds."""
    if listener := _listener.get():
        listener()


def listen(listener: Callable[[], object]) -> None:
    """Call a function when work in this thread announces itself."""
    _listener.set(listener)
