"""Servers as a cloud hands them out: plain Debian, a login user of its own, two networks, nothing of the lab.

Half of them run Debian 12, half Debian 13. They are containers all the same, which need the lab's options.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import yaml

from lab.inventory import ROOT
from lab.power import podman

PROVIDER = ROOT / "providers" / "podman"
PUBLIC, PRIVATE = "172.29.1", "172.29.2"
LABEL = "revezamento-cloud"
NETWORKS = {"revezamento-public": (PUBLIC, []), "revezamento-private": (PRIVATE, ["--internal"])}
"""Name, the first three octets, options. Only the public network leads anywhere."""

IMAGE = f"""\
ARG base
FROM ${{base}}
RUN userdel --remove vagrant && rm /etc/sudoers.d/vagrant \
    && useradd --create-home --shell /bin/bash deploy \
    && echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/90-cloud
COPY --chmod=0644 authorized_keys /home/deploy/.ssh/authorized_keys
COPY --chmod=0644 resolv.conf /etc/resolv.conf
LABEL {LABEL}=image
STOPSIGNAL SIGRTMIN+3
CMD ["sh", "-c", "umount /var/log/journal; mount --make-rshared / && exec /sbin/init"]
"""


def run(*command: str, **options: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}"
    return str(done.stdout)


@dataclass(frozen=True)
class Cloud:
    """`servers`: name -> last octet of both addresses."""

    servers: Mapping[str, int]

    def create(self, public_key: str) -> None:
        self.remove()
        # destroy.yml restores what the host was like before its first network, as after a lab.
        before = ROOT / ".lab" / "ip_forward"
        if not before.exists():
            before.write_text(Path("/proc/sys/net/ipv4/ip_forward").read_text(encoding="utf-8"), encoding="utf-8")
        images = {release: self._image(release, public_key) for release in ("bookworm", "trixie")}
        for name, (subnet, options) in NETWORKS.items():
            run(*podman("network", "create", f"--label={LABEL}", f"--subnet={subnet}.0/24", *options, name))
        with ThreadPoolExecutor(len(self.servers)) as pool:
            list(pool.map(self._create, self.servers, cycle(images.values())))

    def remove(self) -> None:
        """Also what an interrupted run has left."""
        if found := run(*podman("ps", "--all", "--quiet", f"--filter=label={LABEL}")).split():
            run(*podman("rm", "--force", "--time=0", "--volumes", *found))
        if found := run(*podman("network", "ls", "--quiet", f"--filter=label={LABEL}")).split():
            run(*podman("network", "rm", *found))
        if found := run(*podman("images", "--quiet", f"--filter=label={LABEL}=image")).split():
            run(*podman("rmi", "--force", *dict.fromkeys(found)))
        if not run(*podman("ps", "--all", "--quiet")).split():
            run(str(ROOT / "lab" / "play"), "down", "--inventory=inventory/lab", "providers/podman/destroy.yml")

    def _image(self, release: str, public_key: str) -> str:
        root = podman()[:-1]
        run(*root, str(PROVIDER / "base.sh"), "create", release)
        base = run(str(PROVIDER / "base.sh"), "name", release).strip()
        tag = f"localhost/revezamento-cloud:{release}"
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {
                "Containerfile": IMAGE,
                "authorized_keys": public_key,
                "resolv.conf": f"nameserver {PUBLIC}.1\n",
            }.items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            run(*podman("build", "--quiet", "--isolation=chroot", f"--build-arg=base={base}", f"--tag={tag}", folder))
        return tag

    def _create(self, name: str, image: str) -> None:
        settings = yaml.safe_load((PROVIDER / "settings.yml").read_text(encoding="utf-8"))
        options = [option for option in settings["provider_options"] if not option.startswith("--network")]
        networks = [f"--network={network}:ip={net}.{self.servers[name]}" for network, (net, _) in NETWORKS.items()]
        # Podman mounts /etc/hostname, so that the role could not rename the machine.
        names = [f"--name=revezamento-cloud-{name}", f"--hostname={name}", f"--label={LABEL}"]
        run(*podman("run", "--detach", *names, *networks, *options, image))
