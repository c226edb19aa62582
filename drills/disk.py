"""A full disk: for the drill, the daemon's data moves to a small file system of its own, which is then filled."""

from __future__ import annotations

from functools import partial

from drills.fault import Fault, arm, disarm, primary, works
from lab.machines import Box
from lab.waiting import wait_until

FULL_SECONDS = 12.0
RECOVERY_SECONDS = 60
MOUNT_POINT = "/run/revezamento-drill-disk"
FILLER = f"{MOUNT_POINT}/drill-filler"


class FullDisk(Fault):
    """Fills the disk under a daemon's data, and never the machine's own disk, which others share.

    Before the drill, the service stops and its data is copied to a tmpfs, which is mounted over the original. After the
    drill, the data is copied back with all that has changed in it.

    Args:
        boxes: the machines of which one's disk becomes full: the primary's, or the first one's.
        folder: the daemon's data.
        headroom_mb: the free space before the drill fills it.
    """

    hold_seconds = FULL_SECONDS

    def __init__(self, *boxes: Box, folder: str, headroom_mb: int) -> None:
        super().__init__(*boxes)
        self._folder, self._headroom_mb = folder, headroom_mb

    def prepare(self) -> None:
        for box in self.boxes:
            box.root_output(
                f"set -eu; if mountpoint -q {MOUNT_POINT}; "
                f"then echo 'left behind by another drill: {MOUNT_POINT}' >&2; exit 1; fi; "
                f"systemctl stop {box.service}; mkdir -p {MOUNT_POINT}; "
                f"used=$(du -sm {self._folder} | cut -f1); "
                f"mount -t tmpfs -o size=$((used + {self._headroom_mb}))m drill {MOUNT_POINT}; "
                f"cp -a {self._folder}/. {MOUNT_POINT}/; "
                f"chown --reference={self._folder} {MOUNT_POINT}; chmod --reference={self._folder} {MOUNT_POINT}; "
                f"mount --bind {MOUNT_POINT} {self._folder}; systemctl start {box.service}"
            )
            wait_until(partial(works, box), f"{box.name} works", RECOVERY_SECONDS)

    def inject(self) -> None:
        box = primary(self.boxes)
        arm(box, f"rm -f {FILLER}")
        box.root(f"dd if=/dev/zero of={FILLER} bs=4k")  # ends when the disk is full
        free_kb = int(box.root_output(f"df --output=avail {MOUNT_POINT} | tail -n1"))
        assert free_kb < 64, f"{box.name}: {free_kb} kB are free in {self._folder}"

    def undo(self) -> None:
        for box in self.boxes:
            box.root_output(f"rm -f {FILLER}")
            disarm(box)

    def clean_up(self) -> None:
        for box in self.boxes:
            box.root_output(
                f"set -eu; if mountpoint -q {MOUNT_POINT}; then systemctl stop {box.service}; rm -f {FILLER}; "
                f"! mountpoint -q {self._folder} || umount {self._folder}; "
                f"rm -rf {self._folder}.drill; cp -a {MOUNT_POINT} {self._folder}.drill; "
                f"find {self._folder} -mindepth 1 -delete; cp -a {self._folder}.drill/. {self._folder}/; "
                f"rm -rf {self._folder}.drill; umount {MOUNT_POINT}; rmdir {MOUNT_POINT}; fi; "
                f"systemctl start {box.service}"
            )
            wait_until(partial(works, box), f"{box.name} works", RECOVERY_SECONDS)
