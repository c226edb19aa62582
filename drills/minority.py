"""The primary Redis and one backend are cut off from the others, which choose another primary."""

from __future__ import annotations

from collections.abc import Sequence

from drills.fault import arm, disarm, primary, works
from drills.network import REMOVE, Partition
from lab.machines import Box

MODULE = "redis_link.py"
RESTORE = f"find %s/current/ -name {MODULE}.drill | while read -r file; do mv $file ${{file%%.drill}}; done"
UNSAFE = (
    f"find %s/current/ -name {MODULE} | while read -r file; do "
    "cp -a $file $file.drill && sed -i 's/copies == 0/False/; s/not self._primary.stays(client)/False/' $file; "
    f"! grep -E 'copies == 0|primary.stays' $file; done && find %s/current/ -name {MODULE}.drill | grep -q ."
)
RESTART = "systemctl restart revezamento.service"
RESTORE_SECONDS = 300

SET_LAG = """
import json, subprocess, sys
wanted = json.load(sys.stdin)
commands = "AUTH admin {password}\\nCONFIG SET min-replicas-max-lag {seconds}\\n".format(**wanted)
done = subprocess.run([*wanted["cli"], "-h", wanted["address"]], input=commands, capture_output=True, text=True)
print(json.dumps(done.stdout.split()))
"""


class Minority(Partition):
    """The machine of the primary Redis and a backend see only each other, of Redis, and the frontends see both.

    Args:
        members: the machines of Redis.
        backends: of which the first is on the primary's side.
    """

    def __init__(self, members: Sequence[Box], backends: Sequence[Box]) -> None:
        super().__init__(backends[0])
        self._members, self._backends = members, backends

    def inject(self) -> None:
        old = primary(self._members)
        others = [box.address for box in self._members if box is not old]
        self.boxes = [self._backends[0], old]
        self.cut_off(self._backends[0], others)
        self.cut_off(old, others + [box.address for box in self._backends[1:]])

    def has_recovered(self) -> bool:
        return all(works(box) for box in (self._backends[0], *self._members))


class UnsafeMinority(Minority):
    """The same, and the backends acknowledge what no replica has, for as long as the old primary accepts it."""

    def prepare(self) -> None:
        for box in self._backends:
            root = box.role("app")["__app_root"]
            arm(box, self._restore(box), RESTORE_SECONDS)
            box.root_output(f"{UNSAFE % (root, root)} && {RESTART}")
        self._set_lag(10)

    def undo_command(self, box: Box) -> str:
        return f"{REMOVE}; {self._restore(box)}" if box in self._backends else REMOVE

    def clean_up(self) -> None:
        for box in self._backends:
            box.root_output(self._restore(box))
            disarm(box)
        self._set_lag(2)

    def _restore(self, box: Box) -> str:
        return f"{RESTORE % box.role('app')['__app_root']}; {RESTART}"

    def _set_lag(self, seconds: int) -> None:
        for box in self._members:
            wanted = {"address": box.address, "seconds": seconds, "password": str(box.vars["secret_redis_admin"])}
            wanted["cli"] = box.role("redis")["__redis_cli"]
            answer = box.python(SET_LAG, wanted)
            assert answer == ["OK", "OK"], f"{box.name}: {answer}"
