"""Types the commands of an exercise's page, writes answers, and has them checked."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from exercises.catalogue import Exercise
from exercises.evidence import Evidence
from exercises.judge import Case, Verdict, judge
from exercises.sheet import Folder
from exercises.state import NOT_INHERITED
from lab.inventory import ROOT
from lab.machines import Lab
from lab.waiting import wait_until

FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND_SECONDS = 300
READY_SECONDS = 120
"""A command that runs on may have to install a package first."""


@dataclass
class Student:
    """One student with one exercise."""

    lab: Lab
    exercise: Exercise
    folder: Folder
    answers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def begin(cls, lab: Lab, exercise: Exercise, path: Path) -> Student:
        folder = Folder(path)
        folder.write(exercise, "en")
        time.sleep(1)  # the logs have whole seconds
        return cls(lab, exercise, folder)

    def block(self, number: int) -> str:
        """One of the page's blocks of commands, from 0."""
        return str(FENCE.findall(self.exercise.text("en", str(self.lab.vars["lab_subnet"])))[number])

    def on(self, machine: str, script: str) -> str:
        """Type commands into a shell on a machine; return what they print, even if some fail."""
        return str(self.lab[machine].run("bash -c %s", script).stdout)

    def here(self, command: str) -> str:
        """Type a command on the computer that runs the lab."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def running(self, command: str, shows: str) -> Iterator[Callable[[], str]]:
        """Keep a command running here, as in another terminal; Ctrl-C ends it. `shows` tells that it is ready.

        Yields a function that returns what it has printed so far.
        """
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

            def printed() -> str:
                # Not seek: the offset is shared with the process that writes.
                return os.pread(output.fileno(), 1_000_000, 0).decode(errors="replace")

            try:
                wait_until(lambda: shows in printed(), f"{command.strip()} prints {shows!r}", READY_SECONDS)
                yield printed
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
                process.wait(30)

    @cached_property
    def evidence(self) -> Evidence:
        """What the machines have recorded when it is first used: after the solution."""
        return Evidence(self.lab, self.folder.started(self.exercise))

    def check(self, changes: Mapping[str, str] | None = None, *, since: float | None = None) -> list[Verdict]:
        """Check the answers, some of them changed; `since` is another time at which the exercise was begun."""
        answers = dict.fromkeys(self.exercise.questions("en"), "") | self.answers | dict(changes or {})
        lines = [f"{key}: {answer}\n" for key, answer in answers.items()]
        self.folder.sheet(self.exercise).write_text("".join(lines), encoding="utf-8")
        evidence = Evidence(self.lab, since) if since else self.evidence
        return judge(self.exercise, Case(self.lab, self.folder.read(self.exercise), evidence))

    def passes(self) -> None:
        """Assert that every point is given."""
        missed = {one.test: one.found_text("en") for one in self.check() if not one.passed}
        assert missed == {}, missed

    def misses(self, changes: Mapping[str, str] | None = None, *, since: float | None = None) -> set[str]:
        """The points that are not given."""
        return {one.test for one in self.check(changes, since=since) if not one.passed}


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
