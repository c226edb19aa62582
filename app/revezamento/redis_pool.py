"""A connection pool that lends a connection again without redis-py's bookkeeping, which takes longer than a command."""

from collections import deque
from typing import Any

import redis


class LeanPool(redis.ConnectionPool):
    """redis-py's pool; to it, a connection stays in use until it fails or the pool closes its idle connections."""

    def reset(self) -> None:
        """Start without connections."""
        self._idle: deque[Any] = deque()
        super().reset()

    def get_connection(self) -> Any:  # type: ignore[override]
        """Return the connection that came back last, if its server has not closed it, or one of redis-py's pool."""
        while connection := self._pop():
            try:
                if not connection.can_read():
                    return connection
                connection.disconnect()
            except redis.RedisError:
                connection.disconnect()
            super().release(connection)
        return super().get_connection()

    def release(self, connection: Any) -> None:
        """Take a connection back."""
        if connection.is_connected:
            self._idle.append(connection)
        else:
            super().release(connection)

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002
        """Close the idle connections and, if asked to, those in use."""
        while connection := self._pop():
            super().release(connection)
        super().disconnect(inuse_connections)

    def _pop(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return None
