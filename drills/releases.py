"""Rolling deploys under load: a new release and back, and two releases that do not start."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Literal

from drills.fault import Fault
from lab.machines import Box
from lab.playbooks import run_playbook, tail

ReleaseKind = Literal["good", "cold", "late"]

BREAKAGE = {
    "good": ("__init__.py", ""),
    "cold": ("__init__.py", 'raise RuntimeError("a release that does not import")\n'),
    # It starts in the trial, on a socket of its own, but not on the socket that systemd holds.
    "late": (
        "gunicorn_conf.py",
        'import os\n\nif os.environ.get("LISTEN_FDS"):\n    raise RuntimeError("a release that does not start")\n',
    ),
}
"""The file of the app that each kind of release changes, and what is appended to it."""


def make_source(app: Path, target: Path, kind: ReleaseKind) -> None:
    """Copy the app's folder as another release, broken as its kind says."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(app, target, ignore=shutil.ignore_patterns("tests", "web", "__pycache__", "*.egg-info"))
    project = target / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(re.sub(r'(?m)^version = "([^"]+)"', r'version = "\1.post1"', text), encoding="utf-8")
    name, lines = BREAKAGE[kind]
    module = target / "revezamento" / name
    module.write_text(module.read_text(encoding="utf-8") + lines, encoding="utf-8")


class Deploy(Fault):
    """Deploys another release, then goes back to the one that ran before.

    Args:
        folder: where the drill keeps its files.
    """

    def __init__(self, *boxes: Box, kind: ReleaseKind, folder: Path) -> None:
        super().__init__(*boxes)
        self._kind: ReleaseKind = kind
        self._source = folder / f"release-{kind}"
        self._log = folder / f"deploy-{kind}.log"
        self._root = str(boxes[0].role("app")["__app_root"])
        self._app = Path(str(boxes[0].vars["app_source"]))
        self._running: dict[str, str] = {}
        self._former: dict[str, str] = {}
        self._installed: dict[str, list[str]] = {}

    def prepare(self) -> None:
        self._running, self._former = self._links("current"), self._links("former")
        assert len(set(self._running.values())) == 1, f"the backends run different releases: {self._running}"
        self._installed = {box.name: self._releases(box) for box in self.boxes}
        make_source(self._app, self._source, self._kind)

    def inject(self) -> None:
        code = run_playbook("deploy.yml", variables={"app_source": f"{self._source}/"}, log=self._log)
        now = self._links("current")
        changed = [name for name, release in now.items() if release != self._running[name]]
        if self._kind == "good":
            assert code == 0, f"the deploy failed, see {self._log}:\n{tail(self._log)}"
            assert len(changed) == len(now), f"not every backend has the new release: {now}"
            return
        assert code, f"the deploy of a release that does not start succeeded: {now}"
        assert not changed, f"these backends were left with a release that does not start: {changed}"
        others = [box.name for box in self.boxes[1:] if set(self._releases(box)) - set(self._installed[box.name])]
        assert not others, f"the deploy did not stop at the first backend: {others} have the release too"

    def undo(self) -> None:
        if self._running and self._links("current") != self._running:
            release = next(iter(self._running.values()))
            code = run_playbook("deploy.yml", variables={"deploy_release": release}, log=self._log)
            assert code == 0, f"the rollback failed, see {self._log}:\n{tail(self._log)}"

    def clean_up(self) -> None:
        """Remove the drill's release from the backends, and the link to it."""
        for box in self.boxes:
            former = self._former.get(box.name, "")
            box.root_output(
                f"cd {self._root}; for release in releases/*.post1-*; do "
                '[ "$release" = "$(readlink current)" ] || rm -rf "$release"; done; '
                f"{f'ln -sfn releases/{former} former' if former else 'rm -f former'}; [ -e former ] || rm -f former"
            )
        shutil.rmtree(self._source, ignore_errors=True)

    def _links(self, link: str) -> dict[str, str]:
        return {box.name: Path(box.run(f"readlink {self._root}/{link}").stdout.strip()).name for box in self.boxes}

    def _releases(self, box: Box) -> list[str]:
        return box.output(f"ls {self._root}/releases").split()
