"""A Gunicorn worker in which the thread that sees a request answers it.

Gunicorn's gthread hands each request from its main thread to another one, and the outcome back; for a short request,
this costs more than the request. Here, one thread leads: it runs gthread's loop and answers what is ready itself. If a
request takes long, another thread takes the lead, so that it delays no other: at once if the work announces itself
(`revezamento.long_work`), otherwise after `PATIENCE_SECONDS`.

What gthread leaves to its main thread, the poller and all connections, belongs to the leader. A thread that has lost
the lead gives its connection back through gthread's queue. The main thread handles signals, reports to the master that
the worker is alive, and watches the leader.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from socket import socket

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from revezamento import long_work

PATIENCE_SECONDS = 0.02
"""How long a request may take before another thread takes the lead; twice this time at most."""

REST_SECONDS = 1.0
"""How often the main thread reports to the master; without requests, it does nothing else."""

STOP_SECONDS = 0.1
"""How often a stopping worker looks for connections that are no longer needed."""

_KEPT: Future[bool] = Future()
"""The outcome of a request after which the connection stays open, as `ThreadWorker.finish_request` expects it."""
_KEPT.set_result(True)


class LeaderWorker(ThreadWorker):  # type: ignore[misc]
    """gthread's sockets, parser, limits, signals and graceful stop, without its hand-overs."""

    def init_process(self) -> None:
        """Prepare the threads' common state, and run."""
        self.alive: bool
        self._ready: deque[TConn] = deque()
        """Connections with a request, which the leader answers next."""
        self._turn: TConn | None = None
        """The connection whose request the leader answers; None if it answers none, or has lost the lead."""
        self._leader: int | None = None
        self._followers = -1  # the first one to come leads
        self._lock = threading.Lock()
        self._lead = threading.Semaphore(1)
        self._seen = 0
        self._is_resting = False
        self._is_over = False
        super().init_process()

    def run(self) -> None:
        """Watch the leader until the worker is told to stop, and then until the last request is answered."""
        self.poller.register(self.method_queue.fileno(), EVENT_READ, self.method_queue.run_callbacks)
        for _ in range(self.cfg.threads):
            threading.Thread(target=self._serve, daemon=True).start()
        while self.alive and self.is_parent_alive():
            self._watch()
        self.alive = False
        ends = time.monotonic() + self.cfg.graceful_timeout
        while not self._is_over and time.monotonic() < ends:
            self._watch()

    def enqueue_req(self, conn: TConn) -> None:
        """Queue a connection with a request for the leader, instead of a thread pool."""
        self._ready.append(conn)

    def accept(self, listener: socket) -> None:
        """Accept a connection and wait for its request in the poller; gthread would use a thread for that."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # another worker has accepted it, or its client has closed it
        conn = TConn(self.cfg, client, address, listener.getsockname())
        conn.set_timeout()
        self.nr_conns += 1
        self.pending_conns.append(conn)
        self.poller.register(client, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _serve(self) -> None:
        """Follow, lead, follow again: what each thread does."""
        long_work.listen(self._pass_on)
        while True:
            with self._lock:
                self._followers += 1
            self._lead.acquire()
            self._leader = threading.get_ident()
            try:
                self._loop()
            except BaseException:
                self.log.exception("The worker ends, and the master starts another one")
                self.alive = False
                self._is_over = True
                self._wake()
                return

    def _loop(self) -> None:
        """Run gthread's loop until another thread leads."""
        stopping_since = None
        while self.alive or self.nr_conns:
            while self._ready:
                if not self._answer(self._ready.popleft()):
                    return
            self.set_accept_enabled(self.alive and self.nr_conns < self.worker_connections)
            self.wait_for_and_dispatch_events(REST_SECONDS if self.alive else STOP_SECONDS)
            if not self.alive:
                stopping_since = stopping_since or time.monotonic()
                self._close_soon(stopping_since + STOP_KEEPALIVE_LINGER)
            self.murder_keepalived()
            self.murder_pending()
        self._is_over = True
        self._wake()

    def _close_soon(self, deadline: float) -> None:
        self._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def _answer(self, conn: TConn) -> bool:
        """Answer one request; return whether this thread still leads."""
        self._turn = conn
        if self._is_resting:
            self._is_resting = False
            self._wake()
        finish: Callable[[], None]
        if self.handle(conn):
            finish = partial(self.finish_request, conn, _KEPT)
        else:
            with suppress(OSError):  # after some errors, gthread has closed it
                conn.close(graceful=True)
            finish = self._forget
        with self._lock:
            leads = self._turn is conn
            if leads:
                self._turn = None
        if leads:
            finish()
        else:
            self.method_queue.defer(finish)
        return leads

    def _forget(self) -> None:
        self.nr_conns -= 1

    def _pass_on(self) -> None:
        """Let a follower lead, if this thread does: its request is going to take long."""
        with self._lock:
            turn = self._turn if self._leader == threading.get_ident() else None
        self._hand_over(turn)

    def _hand_over(self, turn: TConn | None) -> None:
        """Let a follower lead, if there is one and the leader is still busy with `turn`."""
        with self._lock:
            if turn is None or self._turn is not turn or self._followers <= 0:
                return
            self._turn = self._leader = None
            self._followers -= 1
        self._lead.release()

    def _watch(self) -> None:
        """Tell the master that the worker is alive, wait a moment, and hand over a lead that was busy all the time."""
        self.notify()
        turn, number = self._turn, self.nr
        self._is_resting = turn is None and number == self._seen
        self._seen = number
        # A request that has just begun may not have seen that this thread rests.
        seconds = REST_SECONDS if self._is_resting and self._turn is None else PATIENCE_SECONDS
        if select.select([self.PIPE[0]], [], [], seconds)[0]:
            os.read(self.PIPE[0], 1024)
        self._is_resting = False
        if self.nr == number:
            self._hand_over(turn)

    def _wake(self) -> None:
        """End the main thread's wait, as signals do: Python writes to the same pipe when one arrives."""
        with suppress(BlockingIOError):
            os.write(self.PIPE[1], b"\0")
