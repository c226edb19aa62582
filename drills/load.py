"""All users at once, at a steady rate, and how late this machine itself was in serving them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from drills.events import Event
from drills.person import Person

MOST_REQUESTS_PER_SECOND = 100
LAG_PAUSE_SECONDS = 0.05
LOGINS_AT_ONCE = 3
"""A backend hashes one password at a time and core."""


class Load:
    """Virtual users in a loop each: a user who waits for an answer asks nothing else meanwhile, and does not catch up.

    Args:
        people: the users.
        rate: requests a second of all together, while nobody waits.
    """

    def __init__(self, people: Sequence[Person], rate: float) -> None:
        if not 0 < rate <= MOST_REQUESTS_PER_SECOND:
            raise ValueError(f"a rate of {rate:g} requests a second: it must be above 0, at most 100")
        self.people = list(people)
        self.events: list[Event] = []
        self.lag_seconds = 0.0
        self._interval = len(self.people) / rate
        self._stopping = asyncio.Event()

    async def log_in(self) -> list[Event]:
        """Log everybody in; the logins that failed."""
        free = asyncio.Semaphore(LOGINS_AT_ONCE)

        async def one(person: Person) -> Event:
            async with free:
                return await person.do("login")

        events = await asyncio.gather(*(one(person) for person in self.people))
        return [event for event in events if event.status != 200]

    async def run(self) -> None:
        """Ask until `stop`; every event is in `events` as soon as its answer is there."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_lag())
            for number, person in enumerate(self.people):
                group.create_task(self._live(person, number * self._interval / len(self.people)))

    def stop(self) -> None:
        """Let everybody finish what they wait for."""
        self._stopping.set()

    async def _live(self, person: Person, offset: float) -> None:
        due = time.monotonic() + offset
        while not await self._stopped_by(due):
            self.events.append(await person.step())
            due = max(due + self._interval, time.monotonic())
        await person.browser.leave()

    async def _stopped_by(self, due: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, due - time.monotonic())):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    async def _watch_lag(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            await asyncio.sleep(LAG_PAUSE_SECONDS)
            self.lag_seconds = max(self.lag_seconds, time.monotonic() - started - LAG_PAUSE_SECONDS)
