"""One line for each play, with the time it took; Ansible's own output goes to its log file. For lab/play."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from typing import Any, TextIO

from ansible.constants import DEFAULT_LOG_PATH
from ansible.plugins.callback.default import CallbackModule as DefaultCallback

DOCUMENTATION = r"""
name: stages
type: stdout
short_description: One line for each play, with the time it took
description:
  - A terminal shows a line for each play, warnings, and the reason of a failure with its remedy.
  - The output of the default callback and of all other callbacks goes to E(ANSIBLE_LOG_PATH) only.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
options:
  command:
    description: The command that the user repeats after a failure.
    type: str
    default: ansible-playbook
    env: [{name: STAGES_COMMAND}]
  started:
    description: When the command was started, in seconds since 1970. 0 means with this run.
    type: float
    default: 0
    env: [{name: STAGES_STARTED}]
  more:
    description: The command does more after this run, so this run prints no total.
    type: bool
    default: false
    env: [{name: STAGES_MORE}]
"""

TITLE_WIDTH = 56
OUTPUT_LINES = 15
"""How much of a failed command's output is shown."""
CLOCK_SECONDS = 1.0
CONTROL_NODE = "localhost"


def duration(seconds: float) -> str:
    """For example "6.1 s" or "1 min 32 s"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def reason(result: Mapping[str, Any]) -> str:
    """Why a task failed: its message, and the last lines that its command printed. Of a loop, for each failed item."""
    if "censored" in result:
        return str(result["censored"])
    failed = [item for item in result.get("results", []) if isinstance(item, Mapping) and item.get("failed")]
    if failed:
        return "\n".join(f"{item.get('_ansible_item_label', item.get('item'))}: {reason(item)}" for item in failed)
    message = str(result.get("msg") or "no message").strip()
    output = next((text for name in ("stderr", "module_stderr", "stdout") if (text := str(result.get(name) or ""))), "")
    lines = [] if output.strip() in message else output.strip().splitlines()[-OUTPUT_LINES:]
    return "\n".join([message, *lines])


class Screen:
    """Lines on a stream; the last one is open while its stage runs. A terminal rewrites that line in place."""

    def __init__(self, stream: TextIO, lock: Any, *, is_terminal: bool) -> None:
        self.stream, self.lock, self.is_terminal = stream, lock, is_terminal
        self.title = ""  # of the open line
        self.detail = ""
        self.started = 0.0
        self.is_shown = False

    def open(self, title: str, started: float) -> None:
        """Begin a line. `started` is on the monotonic clock."""
        with self.lock:
            self.title, self.detail, self.started = title, "", started
            self.draw()

    def set_detail(self, detail: str) -> None:
        """Say what the stage does; only a terminal shows it."""
        with self.lock:
            if self.is_terminal and detail != self.detail:
                self.detail = detail
                self.draw()

    def draw(self) -> None:
        """Show the open line, if there is one."""
        with self.lock:
            if not self.title:
                return
            if self.is_terminal:
                clock = f"{time.monotonic() - self.started:.0f} s"
                text = f"==> {self.title}{self.detail}"[: max(0, self.columns - len(clock) - 2)]
                self._write(f"\r\033[K{text}  {clock}")
            elif not self.is_shown:
                self._write(f"==> {self.title}")
            self.is_shown = True

    def close(self, note: str = "") -> None:
        """End the open line with the time that it took."""
        with self.lock:
            if self.title:
                took = f"{note} {duration(time.monotonic() - self.started)}".strip()
                line = f"==> {self.title:<{TITLE_WIDTH}} {took:>10}"
                if self.is_shown and not self.is_terminal:
                    line = line.removeprefix(f"==> {self.title}")
                else:
                    self.clear()
                self.title, self.is_shown = "", False
                self._write(f"{line}\n")

    def clear(self) -> None:
        """Make room for other lines."""
        with self.lock:
            if self.is_shown:
                self._write("\r\033[K" if self.is_terminal else "\n")
            self.is_shown = False

    def print(self, text: str) -> None:
        """Whole lines. No line is open."""
        with self.lock:
            self._write(f"{text}\n")

    @property
    def columns(self) -> int:
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except OSError:
            return 80

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


class CallbackModule(DefaultCallback):  # type: ignore[misc] # Ansible has no type hints
    """The stages of a run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "stages"

    def __init__(self) -> None:
        super().__init__()
        self._pid = os.getpid()
        is_terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._screen = Screen(sys.stdout, self._display._lock, is_terminal=is_terminal)
        self._began = time.time()
        self._play_uuid, self._play_name, self._play_started = "", "", time.monotonic()
        self._has_batches = False
        self._hosts: list[str] = []  # of the current batch, in the order in which they started
        self._failures: dict[str, tuple[str, str]] = {}  # machine -> (task, reason)
        self._unreachable: set[str] = set()
        self._finished = False
        self._summary = ""
        # The display is a singleton, so this also covers other callbacks and Ansible's own messages.
        self._show = self._display.display
        self._display.display = self._display_in_log
        for handler in logging.getLogger().handlers:
            handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        if is_terminal:
            # As Ansible does for its workers: no process is forked while the clock's thread holds the lock.
            lock = self._display._lock
            os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
            threading.Thread(target=self._run_clock, daemon=True).start()
        atexit.register(self._stop)

    def _run_clock(self) -> None:
        while not self._finished:
            time.sleep(CLOCK_SECONDS)
            self._screen.draw()

    def _display_in_log(
        self,
        msg: str,
        color: str | None = None,
        stderr: bool = False,
        screen_only: bool = False,
        log_only: bool = False,
        **more: Any,
    ) -> None:
        """Replaces Display.display: shows only what goes to stderr, which is Ansible's own warnings and errors."""
        if not stderr or log_only:
            if not screen_only:
                self._show(msg, color=color, log_only=True, **more)
        elif os.getpid() != self._pid:  # a worker, whose messages come back through the main process
            self._show(msg, color=color, stderr=True, **more)
        else:
            with self._display._lock:
                self._screen.clear()
                self._show(msg, color=color, stderr=True, **more)
                sys.stderr.flush()

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Also after the end of another playbook of the same run."""
        super().v2_playbook_on_start(playbook)
        self._finished = False

    def v2_playbook_on_play_start(self, play: Any) -> None:
        super().v2_playbook_on_play_start(play)
        self._has_batches = bool(play.serial)
        if play._uuid != self._play_uuid:  # otherwise it is the next batch of the same play
            self._close_stage()
            self._play_uuid, self._play_started = play._uuid, time.monotonic()
            self._play_name = play.get_name().strip()
        self._hosts = []

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Open the line at the first task that runs, so that a play with nothing to do gets none."""
        super().v2_runner_on_start(host, task)
        if not self._screen.title:
            self._screen.open(self._play_name, self._play_started)
        if host.name not in self._hosts:
            self._hosts.append(host.name)
        batch = f" ({', '.join(self._hosts)})" if self._has_batches else ""
        self._screen.set_detail(f"{batch}: {task.get_name().strip()}")

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._censor(result)
        super().v2_runner_item_on_failed(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._censor(result)
        if not ignore_errors:
            self._failures[result.host.name] = (result.task.get_name().strip(), reason(result.result))
        super().v2_runner_on_failed(result, ignore_errors)

    @staticmethod
    def _censor(result: Any) -> None:
        """The default callback shows the exception of a task with no_log, and with it the message that no_log hides."""
        if "censored" in result.result:
            result.result.pop("exception", None)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if not result.task.ignore_unreachable:
            self._failures[result.host.name] = (result.task.get_name().strip(), reason(result.result))
            self._unreachable.add(result.host.name)
        super().v2_runner_on_unreachable(result)

    def _close_stage(self, *, has_failed: bool = False) -> None:
        """After a machine is unreachable, the next plays start without it, and without hosts end at once."""
        has_lost = not self._unreachable.isdisjoint(self._hosts)
        self._screen.close("failed after" if has_failed or has_lost else "")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        super().v2_playbook_on_stats(stats)
        self._finished = True
        counts = {name: stats.summarize(name) for name in sorted(stats.processed)}
        failed = [name for name, count in counts.items() if count["failures"] or count["unreachable"]]
        self._close_stage(has_failed=bool(failed))
        self._summary = ""
        if failed:
            self._print_failures(failed)
        elif not self.get_option("more"):
            changed = [count["changed"] > 0 for name, count in counts.items() if name != CONTROL_NODE]
            machines = f", {sum(changed)} of {len(changed)} machines changed" if changed else ""
            took = duration(time.time() - (self.get_option("started") or self._began))
            self._summary = f"Done in {took}{machines}. {self._log}"

    def _print_failures(self, failed: list[str]) -> None:
        """The reasons of all machines that failed; those with the same reason together."""
        groups: dict[tuple[str, str], list[str]] = {}
        for name in failed:
            groups.setdefault(self._failures.get(name, ("", "no message")), []).append(name)
        for (task, text), names in groups.items():
            where = ", ".join("this computer" if name == CONTROL_NODE else name for name in names)
            self._screen.print(f"\nFAILED on {where}: {task}\n{textwrap.indent(text, '    ')}")
        has_remedy = any(word in text for _, text in groups for word in ("Next:", "Remedy:"))
        self._screen.print("\n" + ("" if has_remedy else f"{self._remedy(failed)}\n") + self._log)

    def _remedy(self, failed: list[str]) -> str:
        again = f"run {self.get_option('command')} again."
        machines = [name for name in failed if name != CONTROL_NODE]
        if not machines:
            return f"Correct that, then {again}"
        if self._unreachable & set(machines):
            return f"Next: make status shows which machines answer. Then {again}"
        return f"Next: make logs HOST={machines[0]} shows more. Correct the cause, then {again}"

    def _stop(self) -> None:
        """Runs when the process ends. Ctrl-C and errors of Ansible itself end it before the play is finished."""
        if os.getpid() != self._pid:
            return
        if self._finished:
            if self._summary:
                self._screen.print(self._summary)
        else:
            self._finished = True
            self._screen.close("stopped after")
            self._screen.print(f"It is safe to run {self.get_option('command')} again. {self._log}")

    @property
    def _log(self) -> str:
        return f"Log: {os.path.relpath(DEFAULT_LOG_PATH)}" if DEFAULT_LOG_PATH else "No log."
