"""The load: all virtual users at a steady rate, and how far the load generator itself lags behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from drills.events import Event
from drills.virtual_user import VirtualUser

MAX_REQUESTS_PER_SECOND = 100
LAG_INTERVAL_SECONDS = 0.05
CONCURRENT_LOGINS = 3
"""A backend hashes one password at a time on each core."""


class Load:
    """A closed loop for each user: nobody sends a request while waiting for an answer, or catches up afterwards.

    Args:
        users: the virtual users.
        rate: requests a second of all users together, while nobody waits.
    """

    def __init__(self, users: Sequence[VirtualUser], rate: float) -> None:
        if not 0 < rate <= MAX_REQUESTS_PER_SECOND:
            raise ValueError(f"rate is {rate:g} requests a second; it must be above 0 and at most 100")
        self.users = list(users)
        self.events: list[Event] = []
        self.lag_seconds = 0.0
        self._interval = len(self.users) / rate
        self._stopping = asyncio.Event()

    async def log_in(self) -> list[Event]:
        """Log all users in; return the logins that failed."""
        slots = asyncio.Semaphore(CONCURRENT_LOGINS)

        async def log_in(user: VirtualUser) -> Event:
            async with slots:
                return await user.do("login")

        events = await asyncio.gather(*(log_in(user) for user in self.users))
        return [event for event in events if event.status != 200]

    async def run(self) -> None:
        """Send requests until `stop`; `events` has each as soon as its answer is there."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._measure_lag())
            for number, user in enumerate(self.users):
                group.create_task(self._run_user(user, number * self._interval / len(self.users)))

    def stop(self) -> None:
        """Send no more requests; those under way are finished."""
        self._stopping.set()

    async def _run_user(self, user: VirtualUser, offset: float) -> None:
        due = time.monotonic() + offset
        while not await self._stopped_by(due):
            self.events.append(await user.step())
            due = max(due + self._interval, time.monotonic())
        await user.browser.leave()

    async def _stopped_by(self, due: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, due - time.monotonic())):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    async def _measure_lag(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            await asyncio.sleep(LAG_INTERVAL_SECONDS)
            self.lag_seconds = max(self.lag_seconds, time.monotonic() - started - LAG_INTERVAL_SECONDS)
