"""A full disk: the daemon's folder stands on a small file system of its own for the drill, and that is filled."""

from __future__ import annotations

from drills.fault import Fault, arm, disarm
from lab.machines import Box

FULL_SECONDS = 12.0
PLACE = "/run/revezamento-drill-disk"
FILLER = f"{PLACE}/drill-filler"


class FullDisk(Fault):
    """Fills the disk under a daemon's folder. The machine's own disk, which others share, is never filled.

    Before the drill the service stops, its folder is copied to a file system in memory and that is put in its place;
    after it the other way round. What changed meanwhile comes back with it.

    Args:
        folder: the daemon's data.
        spare_mb: room beyond what is there, which the drill takes away.
    """

    hold_seconds = FULL_SECONDS

    def __init__(self, box: Box, folder: str, spare_mb: int) -> None:
        super().__init__(box)
        self._folder, self._spare_mb = folder, spare_mb

    def prepare(self) -> None:
        (box,) = self.boxes
        box.root_output(
            f"set -eu; if mountpoint -q {PLACE}; then echo 'left behind by another drill: {PLACE}' >&2; exit 1; fi; "
            f"systemctl stop {box.service}; mkdir -p {PLACE}; "
            f"used=$(du -sm {self._folder} | cut -f1); "
            f"mount -t tmpfs -o size=$((used + {self._spare_mb}))m drill {PLACE}; "
            f"cp -a {self._folder}/. {PLACE}/; "
            f"chown --reference={self._folder} {PLACE}; chmod --reference={self._folder} {PLACE}; "
            f"mount --bind {PLACE} {self._folder}; systemctl start {box.service}"
        )

    def inject(self) -> None:
        (box,) = self.boxes
        arm(box, f"rm -f {FILLER}")
        box.root(f"dd if=/dev/zero of={FILLER} bs=4k")  # ends when nothing more fits
        left = int(box.root_output(f"df --output=avail {PLACE} | tail -n1"))
        assert left < 64, f"{box.name}: {left} kB are left in {self._folder}"

    def undo(self) -> None:
        (box,) = self.boxes
        box.root_output(f"rm -f {FILLER}")
        disarm(box)

    def clean(self) -> None:
        (box,) = self.boxes
        box.root_output(
            f"set -eu; if mountpoint -q {PLACE}; then systemctl stop {box.service}; rm -f {FILLER}; "
            f"! mountpoint -q {self._folder} || umount {self._folder}; "
            f"rm -rf {self._folder}.drill; cp -a {PLACE} {self._folder}.drill; "
            f"find {self._folder} -mindepth 1 -delete; cp -a {self._folder}.drill/. {self._folder}/; "
            f"rm -rf {self._folder}.drill; umount {PLACE}; rmdir {PLACE}; fi; systemctl start {box.service}"
        )
