"""A TCP relay between the app and a real server, which can cut, refuse or freeze connections."""

import contextlib
import socket
import threading
from collections.abc import Callable

_NO_LINGER = b"\x01\x00\x00\x00\x00\x00\x00\x00"


class Relay:
    """Passes TCP connections on to `target`; counts the chunks of data in both directions."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.questions = 0
        self.answers = 0
        self._target = target
        self._open: list[socket.socket] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._accept_in_background()

    def cut(self) -> None:
        """Reset every connection, as a crashed server would."""
        connections, self._open = self._open, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def refuse(self) -> None:
        """Reset every connection and refuse new ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def freeze(self) -> None:
        """Accept connections, but pass nothing on."""
        self._flowing.clear()

    def restore(self) -> None:
        """Relay again; frozen connections are reset."""
        self.cut()
        self._flowing.set()
        if self._listener.fileno() == -1:
            self._listener = socket.create_server(self.address)
            self._accept_in_background()

    def _accept_in_background(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                for source, sink, count in ((client, server, self._asked), (server, client, self._answered)):
                    threading.Thread(target=self._pump, args=(source, sink, count), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, count: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                count()
                self._flowing.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def _asked(self) -> None:
        self.questions += 1

    def _answered(self) -> None:
        self.answers += 1
