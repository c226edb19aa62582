"""A temporary container with the lab's daemons, so that the host does not need them.

    with Workbench() as bench:
        bench.run(["nginx", "-t", "-c", "/etc/nginx/nginx.conf"], files={"/etc/nginx/nginx.conf": text})

As a command, it runs another command with a real Redis and a real MariaDB, whose addresses and passwords are in
REVEZAMENTO_TEST_*:

    python -m tests.workbench pytest app/tests
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from typing import IO, Self, cast

from lab.power import podman

IMAGE = f"localhost/revezamento-workbench:{os.environ.get('LAB_RELEASE') or 'trixie'}"
READY_SECONDS = 60  # usually 3; more on a loaded machine

REDIS_CONF = """\
bind 127.0.0.1
port {port}
requirepass {password}
save ""
logfile /bench/redis.log
daemonize yes
"""
REPLICA_CONF = (
    REDIS_CONF
    + """\
masterauth {password}
dir {dir}
min-replicas-to-write 1
min-replicas-max-lag 2
repl-diskless-sync-delay 0
enable-debug-command local
"""
)
SENTINEL_CONF = """\
bind 127.0.0.1
port {port}
dir {dir}
requirepass {password}
sentinel sentinel-pass {password}
sentinel monitor sessions 127.0.0.1 {primary} 2
sentinel auth-pass sessions {password}
sentinel down-after-milliseconds sessions 500
sentinel failover-timeout sessions 3000
logfile {dir}/sentinel.log
daemonize yes
"""
MARIADB_CONF = """\
[mariadbd]
user=mysql
datadir=/bench/mysql
bind-address=127.0.0.1
skip-name-resolve
port={port}
socket=/bench/mysql/mariadb.sock
init-file=/bench/init.sql
innodb-flush-log-at-trx-commit=0
[client]
host=127.0.0.1
port={port}
user=root
password={password}
"""
MARIADB_ACCOUNT = """\
CREATE OR REPLACE USER root@127.0.0.1 IDENTIFIED BY '{password}';
GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION;
"""
MARIADB_START = """\
exec >/bench/mariadb.log 2>&1
mariadb-install-db --no-defaults --user=mysql --datadir=/bench/mysql --skip-test-db
exec mariadbd --defaults-file=/bench/mariadb.cnf
"""


class WorkbenchError(RuntimeError):
    """The workbench cannot be used; the message says what to do."""


class Workbench:
    """The container exists within `with`, and ends with this process even if that is killed."""

    def __init__(self, network: str = "none") -> None:
        self.network = network
        self.image = os.environ.get("LAB_WORKBENCH_IMAGE", IMAGE)
        self.name = f"revezamento-workbench-{os.getpid()}-{secrets.token_hex(3)}"

    def __enter__(self) -> Self:
        if shutil.which("podman") is None or subprocess.run(podman("image", "exists", self.image)).returncode:
            raise WorkbenchError(f"There is no image {self.image} on this machine. To build it: make workbench")
        # `cat` ends with its input, and its input with this process, also after `kill -9`.
        # Its own session keeps Ctrl-C from ending it before the tests are done.
        options = ["--rm", "--interactive", f"--name={self.name}", f"--network={self.network}", "--log-driver=none"]
        life = "exec cat"
        if self.network == "none":  # isolated: every address is local, nft can check its rules, keepalived an interface
            # The last two are for network namespaces of its own, and for protocols without ports.
            options = [*options, "--cap-add=NET_ADMIN,SYS_ADMIN,NET_RAW"]
            life = "ip route add local 0.0.0.0/0 dev lo && ip link add eth0 type veth peer name eth1 && exec cat"
        command, pipe = podman("run", *options, self.image, "sh", "-c", life), subprocess.PIPE
        self._life = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        stdin, stdout, stderr = (
            cast("IO[str]", stream) for stream in (self._life.stdin, self._life.stdout, self._life.stderr)
        )
        stdin.write("ready\n")
        stdin.flush()
        if stdout.readline() != "ready\n":
            raise WorkbenchError(f"The workbench does not start; build it again (make workbench):\n{stderr.read()}")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(podman("rm", "--force", "--time=0", self.name), capture_output=True)
        self._life.communicate()

    def run(self, command: Sequence[str], files: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command, after writing `files` (absolute path -> text)."""
        unpack = ["sh", "-c", 'tar --extract --overwrite --directory=/ && exec "$@" </dev/null', "sh", *command]
        execute = podman("exec", "--interactive", self.name, *(unpack if files else command))
        done = subprocess.run(execute, input=_archive(files or {}), capture_output=True)
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    def write(self, files: Mapping[str, str]) -> None:
        self.run(["true"], files).check_returncode()

    def databases(self) -> dict[str, str]:
        """Start MariaDB, and Redis alone and with Sentinel, on free ports of 127.0.0.1 (network "host").

        Return REVEZAMENTO_TEST_*.
        """
        redis, mysql = _free_port(), _free_port()
        redis_password, mysql_password = secrets.token_hex(16), secrets.token_hex(16)
        self.write(
            {
                "/bench/redis.conf": REDIS_CONF.format(port=redis, password=redis_password),
                "/bench/mariadb.cnf": MARIADB_CONF.format(port=mysql, password=mysql_password),
                "/bench/init.sql": MARIADB_ACCOUNT.format(password=mysql_password),
            }
        )
        for start in (["redis-server", "/bench/redis.conf"], ["sh", "-c", MARIADB_START]):
            subprocess.run(podman("exec", "--detach", self.name, *start), check=True, capture_output=True)
        self._wait(["redis-cli", "-p", str(redis), "ping"], answer="NOAUTH", log="/bench/redis.log")
        self._wait(
            ["mariadb", "--defaults-file=/bench/mariadb.cnf", "-Ne", "SELECT 'here'"],
            answer="here",
            log="/bench/mariadb.log",
        )
        return {
            "REVEZAMENTO_TEST_REDIS": f"127.0.0.1:{redis}",
            "REVEZAMENTO_TEST_REDIS_PASSWORD": redis_password,
            "REVEZAMENTO_TEST_MYSQL": f"127.0.0.1:{mysql}",
            "REVEZAMENTO_TEST_MYSQL_PASSWORD": mysql_password,
            **self._sentinels(),
        }

    def _sentinels(self) -> dict[str, str]:
        """Start three Redis, the first of them the primary, and three Sentinels; tests wait until they are ready."""
        ports, sentinels = [_free_port() for _ in range(3)], [_free_port() for _ in range(3)]
        password = secrets.token_hex(16)
        for number, (port, sentinel) in enumerate(zip(ports, sentinels, strict=True)):
            options = {"password": password, "primary": ports[0], "dir": f"/bench/replica{number}"}
            replica = REPLICA_CONF.format(port=port, **options).replace("/bench/redis.log", f"{options['dir']}/log")
            files = {
                f"{options['dir']}/redis.conf": replica + (f"replicaof 127.0.0.1 {ports[0]}\n" if number else ""),
                f"{options['dir']}/sentinel.conf": SENTINEL_CONF.format(port=sentinel, **options),
            }
            self.write(files)
            for start in (["redis.conf"], ["sentinel.conf", "--sentinel"]):
                self.run(["redis-server", f"{options['dir']}/{start[0]}", *start[1:]]).check_returncode()
        return {
            "REVEZAMENTO_TEST_REPLICAS": ",".join(f"127.0.0.1:{port}" for port in ports),
            "REVEZAMENTO_TEST_SENTINELS": ",".join(f"127.0.0.1:{port}" for port in sentinels),
            "REVEZAMENTO_TEST_REPLICAS_PASSWORD": password,
            "REVEZAMENTO_TEST_SENTINELS_PASSWORD": password,
        }

    def _wait(self, question: Sequence[str], answer: str, log: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while answer not in (reply := self.run(question)).stdout:
            if time.monotonic() > deadline:
                lines = self.run(["tail", "-n20", log]).stdout
                raise WorkbenchError(f"No answer to {question[0]}: {reply.stdout}{reply.stderr}\n{lines}")
            time.sleep(0.1)


def _archive(files: Mapping[str, str]) -> bytes:
    """The files as a tar, since the container shares no folder with the host."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return archive.getvalue() if files else b""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(command: Sequence[str]) -> int:
    """Run a command with the databases; return its exit code."""
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with Workbench(network="host") as bench:
            process = subprocess.Popen(command, env=os.environ | bench.databases())
            while True:
                try:
                    code = process.wait()
                    return code if code >= 0 else 128 - code  # ended by a signal: the code that a shell would return
                except KeyboardInterrupt:  # the command gets it too and decides the exit code
                    continue
    except (WorkbenchError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
