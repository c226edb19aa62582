"""Three real Redis, of which Sentinels choose the primary, as their administrator sees them."""

import time
from typing import Any, cast

import redis

from revezamento.redis_primary import NAME

Address = tuple[str, int]


def _administrator(address: Address, password: str) -> redis.Redis:
    return redis.Redis(*address, password=password, socket_timeout=5, decode_responses=True)


def _problem(state: dict[str, Any]) -> bool:
    return (state["flags"], state["num-slaves"], state["num-other-sentinels"]) != ("master", 2, 2)


class Replicas:
    """Freezes servers, which then accept connections and do not answer, and waits until all of them serve again."""

    def __init__(
        self, servers: tuple[Address, ...], password: str, sentinels: tuple[Address, ...], sentinel_password: str
    ) -> None:
        options: dict[str, Any] = {"socket_timeout": 5, "decode_responses": True}
        self.servers = {address: redis.Redis(*address, password=password, **options) for address in servers}
        self.sentinels = {
            address: redis.Redis(*address, password=sentinel_password, **options) for address in sentinels
        }
        self._frozen: list[Any] = []

    def primary(self) -> Address:
        """Return the address on which all Sentinels agree."""
        named = {(state["ip"], int(state["port"])) for state in self._states()}
        assert len(named) == 1, named
        return named.pop()

    def others(self) -> list[Address]:
        """Return the addresses of the replicas."""
        return [address for address in self.servers if address != self.primary()]

    def freeze(self, address: Address, seconds: float) -> None:
        """Let a server answer nothing for some time."""
        connection = self.servers[address].connection_pool.make_connection()
        connection.connect()
        connection.send_command("DEBUG", "SLEEP", seconds)
        self._frozen.append(connection)

    def fail_over(self) -> None:
        """Let Sentinel choose another primary, although there is nothing wrong."""
        before = self.primary()
        next(iter(self.sentinels.values())).execute_command("SENTINEL FAILOVER", NAME)
        deadline = time.monotonic() + 20
        while any((state["ip"], int(state["port"])) == before for state in self._states()):
            assert time.monotonic() < deadline, "Sentinel chooses no other primary"
            time.sleep(0.05)

    def settle(self) -> None:
        """Wait until there is one primary with two replicas, all Sentinels agree on it, and a copy takes no time."""
        deadline = time.monotonic() + 60
        while not self._is_settled():
            assert time.monotonic() < deadline, [state["flags"] for state in self._states()]
            time.sleep(0.2)

    def close(self) -> None:
        """Close the connections."""
        for client in (*self.servers.values(), *self.sentinels.values()):
            client.close()
        for connection in self._frozen:
            connection.disconnect()

    def _is_settled(self) -> bool:
        states = self._states()
        if len({(state["ip"], state["port"]) for state in states}) > 1:
            return False
        if any(
            state["flags"] != "master" or state["num-slaves"] + state["num-other-sentinels"] < 4 for state in states
        ):
            return False
        try:
            self.servers[self.primary()].set("settled", "yes")
            return self.servers[self.primary()].wait(2, 500) == 2
        except redis.RedisError:
            return False

    def _states(self) -> list[dict[str, Any]]:
        return [cast("Any", client).sentinel_master(NAME, return_responses=True) for client in self.sentinels.values()]
