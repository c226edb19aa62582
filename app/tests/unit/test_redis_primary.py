"""Which answer of the Sentinels is believed; the real ones are in `integration/test_failover.py`."""

from typing import Any

import pytest
import redis

from revezamento.redis_primary import ElectedPrimary

OLD, NEW = ("192.0.2.1", 6379), ("192.0.2.2", 6379)


class Sentinel:
    """Names a primary, or does not answer."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: dict[str, Any] | None = None

    def names(self, address: tuple[str, int], epoch: int, *, is_down: bool = False) -> None:
        self.answer = {"ip": address[0], "port": address[1], "config-epoch": epoch}
        self.answer |= {"is_sdown": is_down, "is_odown": False, "flags": "master"}

    def sentinel_master(self, name: str, *, return_responses: bool) -> dict[str, Any]:
        self.asked += 1
        if self.answer is None:
            raise redis.TimeoutError
        return self.answer


@pytest.fixture
def sentinels(monkeypatch: pytest.MonkeyPatch) -> list[Sentinel]:
    monkeypatch.setattr("revezamento.redis_primary.ASK_AGAIN_SECONDS", 0)
    three = [Sentinel(), Sentinel(), Sentinel()]
    for sentinel in three:
        sentinel.names(OLD, 1)
    return three


@pytest.fixture
def primary(sentinels: list[Sentinel]) -> ElectedPrimary:
    addresses = tuple(("192.0.2.9", port) for port in range(3))

    def connect(host: str, port: int, **options: Any) -> Any:
        return sentinels[port] if host == "192.0.2.9" else redis.Redis(host, port)

    return ElectedPrimary(connect, addresses, (OLD, NEW))


def test_the_primary_is_asked_for_once(primary: ElectedPrimary, sentinels: list[Sentinel]) -> None:
    """A majority is enough."""
    with pytest.raises(redis.ConnectionError):
        primary.client()
    assert primary.position is None
    assert primary.lost(None)
    assert primary.client() is primary.client()
    assert primary.position == 1
    assert [sentinel.asked for sentinel in sentinels] == [1, 1, 0]


def test_another_thread_has_already_asked(primary: ElectedPrimary, sentinels: list[Sentinel]) -> None:
    """Threads whose calls fail at the same time ask once."""
    assert primary.lost(None)
    assert primary.lost(None)
    assert sentinels[0].asked == 1


def test_the_newest_answer_counts(primary: ElectedPrimary, sentinels: list[Sentinel]) -> None:
    """A Sentinel that is cut off with the old primary goes on naming it."""
    primary.lost(None)
    sentinels[1].names(NEW, 2)
    assert primary.lost(primary.client())
    assert primary.position == 2


def test_the_replicas_are_those_that_the_primary_names(
    primary: ElectedPrimary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their positions; one that is not in the settings makes the list unknown, and a former primary is refused."""
    replies: list[Any] = [
        [b"master", 1, [[b"192.0.2.2", b"6379", b"1"]]],
        [b"master", 1, []],
        [b"master", 1, [[b"192.0.2.3", b"6379", b"1"]]],
        [b"slave", b"192.0.2.2", 6379, b"connected", 1],
    ]
    monkeypatch.setattr(redis.Redis, "role", lambda _: replies.pop(0))
    primary.lost(None)
    assert primary.machines == {"primary": 1}
    for expected in ([2], [], None):
        primary.ping(primary.client())
        assert primary.machines.get("replicas") == expected
    with pytest.raises(redis.ConnectionError):
        primary.ping(primary.client())
    assert primary.machines == {"primary": 1}


def test_a_primary_that_is_down_is_not_used(primary: ElectedPrimary, sentinels: list[Sentinel]) -> None:
    """Waiting for a frozen server would cost each attempt a timeout; when it is back, it is used again."""
    primary.lost(None)
    for sentinel in sentinels:
        sentinel.names(OLD, 1, is_down=True)
    assert not primary.lost(primary.client())
    with pytest.raises(redis.ConnectionError):
        primary.client()
    for sentinel in sentinels:
        sentinel.names(OLD, 1)
    assert primary.lost(None)


def test_a_sentinel_that_does_not_answer_is_asked_last(primary: ElectedPrimary, sentinels: list[Sentinel]) -> None:
    """It died with the primary, and each question to it costs a timeout."""
    sentinels[0].answer = None
    primary.lost(None)
    for _ in range(3):
        primary.lost(primary.client())
    assert sentinels[0].asked == 1


def test_without_sentinels_the_known_primary_stays(primary: ElectedPrimary, sentinels: list[Sentinel]) -> None:
    """It may be fine."""
    primary.lost(None)
    known = primary.client()
    for sentinel in sentinels:
        sentinel.answer = None
    assert not primary.lost(known)
    assert primary.client() is known


def test_a_change_is_final_while_nobody_replaces_the_primary(
    primary: ElectedPrimary, sentinels: list[Sentinel]
) -> None:
    """One Sentinel may be away, or cut off from the primary."""
    primary.lost(None)
    assert primary.stays(primary.client())
    sentinels[0].answer = None
    sentinels[1].names(OLD, 1, is_down=True)
    assert primary.stays(primary.client())


@pytest.mark.parametrize("change", [{"flags": "master,failover_in_progress"}, {"is_odown": True}])
def test_a_change_is_not_final_once_a_sentinel_replaces_the_primary(
    primary: ElectedPrimary, sentinels: list[Sentinel], change: dict[str, Any]
) -> None:
    """The replica that was chosen may not have the change, although the other one confirmed it."""
    primary.lost(None)
    sentinels[2].answer |= change  # type: ignore[operator]
    assert not primary.stays(primary.client())


def test_a_change_is_not_final_at_a_former_primary(primary: ElectedPrimary, sentinels: list[Sentinel]) -> None:
    """A single Sentinel knows of the new one first."""
    primary.lost(None)
    sentinels[2].names(NEW, 2)
    assert not primary.stays(primary.client())


def test_a_change_is_final_at_a_new_primary_before_its_fail_over_ends(
    primary: ElectedPrimary, sentinels: list[Sentinel]
) -> None:
    """The Sentinel that leads the fail-over names the former primary until the other replicas follow the new one."""
    for sentinel in sentinels[1:]:
        sentinel.names(NEW, 2)
    sentinels[0].names(OLD, 2, is_down=True)
    sentinels[0].answer |= {"flags": "master,s_down,o_down,failover_in_progress", "is_odown": True}  # type: ignore[operator]
    primary.lost(None)
    assert primary.position == 2
    assert primary.stays(primary.client())


def test_a_change_is_not_final_without_a_majority(primary: ElectedPrimary, sentinels: list[Sentinel]) -> None:
    """The others may have chosen another primary."""
    primary.lost(None)
    former = primary.client()
    sentinels[0].answer = sentinels[1].answer = None
    assert not primary.stays(former)
