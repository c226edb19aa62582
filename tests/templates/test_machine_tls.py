"""TLS between the machines: a real Redis, its replica and a Sentinel; what MariaDB, the app and the firewall get."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.inventory import Inventory, Machine
from lab.waiting import wait_until
from tests.certificates import self_signed
from tests.templates.rendered import SECRETS, files, inventory
from tests.workbench import Workbench

FOLDER, BENCH = "/etc/revezamento-tls", "/bench/machine-tls"
REDIS, GUARD = 6379, 26379
SENTINEL = f"AUTH sentinel {SECRETS['secret_redis_sentinel']}"
CREDENTIALS = ("redis-server.service", "redis-sentinel.service")


def with_tls(source: str = "inventory/ha") -> Inventory:
    return Inventory.load(source, overrides=SECRETS | {"machine_tls": True})


@dataclass
class Members:
    """redis1 is the primary, with a Sentinel; redis2 is its replica."""

    bench: Workbench
    primary: str
    replica: str

    def ask(self, address: str, port: int, *commands: str, options: str = f"--tls --cacert {FOLDER}/ca.crt") -> str:
        lines = "\\n".join(commands)
        script = f"printf '{lines}\\n' | timeout 5 redis-cli -h {address} -p {port} {options} 2>&1"
        return self.bench.run(["sh", "-c", script]).stdout


@pytest.fixture(scope="module")
def members(workbench: Workbench) -> Iterator[Members]:
    first, second = with_tls().hosts("redis")[:2]
    pair, other = self_signed([first.address, second.address]), self_signed(["other"])
    keys = {f"/run/credentials/{unit}/machine.key": pair.key for unit in CREDENTIALS}
    workbench.write(
        keys
        | {
            f"{FOLDER}/ca.crt": pair.certificate,
            f"{FOLDER}/machine.crt": pair.certificate,
            "/bench/other.crt": other.certificate,
        }
    )
    for machine in (first, second):
        start(workbench, machine, first)
    found = Members(workbench, first.address, second.address)
    wait_until(
        lambda: "usable" in found.ask(first.address, GUARD, SENTINEL, "SENTINEL CKQUORUM sessions"), "Sentinel is up"
    )
    yield found
    workbench.run(["sh", "-c", f"kill $(cat {BENCH}*/*.pid)"])


def start(bench: Workbench, machine: Machine, primary: Machine) -> None:
    """Its Redis and, on the primary, its Sentinel, with folders of their own."""
    own = f"{BENCH}-{machine.name}"
    config = {file.dest: file.text for role in ("redis", "sentinel") for file in files(machine, role)}
    running = f"include {own}/settings.conf\nmasteruser replica\nmasterauth {SECRETS['secret_redis_replica']}\n"
    running += f"dir {own}\npidfile {own}/redis.pid\nlogfile {own}/redis.log\nsupervised no\ndaemonize yes\n"
    running += "" if machine is primary else f"replicaof {primary.address} {REDIS}\n"
    guard = re.sub(r"(?m)^(dir|pidfile|logfile|supervised|daemonize) .*$", "", config["/etc/redis/sentinel.conf"])
    guard += f"dir {own}\npidfile {own}/sentinel.pid\nlogfile {own}/sentinel.log\ndaemonize yes\n"
    accounts = {name: text for name, text in config.items() if name.endswith(".acl")}
    own_files = {
        "settings.conf": config["/etc/redis/redis.conf"].replace(" 127.0.0.1\n", "\n"),
        "redis.conf": running,
        "sentinel.conf": guard,
    }
    bench.write(accounts | {f"{own}/{name}": text for name, text in own_files.items()})
    for command in (["redis-server", f"{own}/redis.conf"], ["redis-sentinel", f"{own}/sentinel.conf"]):
        if machine is primary or command[0] == "redis-server":
            started = bench.run(command)
            assert started.returncode == 0, started.stdout + started.stderr


def test_a_replica_follows_its_primary_by_tls(members: Members) -> None:
    """Neither has another port."""
    wait_until(
        lambda: "master_link_status:up" in members.ask(members.replica, REDIS, SENTINEL, "INFO replication"),
        "the replica has the data",
    )
    assert "connected_slaves:1" in members.ask(members.primary, REDIS, SENTINEL, "INFO replication")


def test_sentinel_watches_both_by_tls(members: Members) -> None:
    """It finds the replica at its port of TLS."""
    question = [SENTINEL, "SENTINEL REPLICAS sessions"]
    wait_until(lambda: members.replica in members.ask(members.primary, GUARD, *question), "Sentinel knows the replica")
    answer = members.ask(members.primary, GUARD, SENTINEL, "SENTINEL MASTER sessions").splitlines()
    assert answer[answer.index("flags") + 1] == "master"
    assert answer[answer.index("port") + 1] == str(REDIS)


@pytest.mark.parametrize("port", [REDIS, GUARD])
def test_who_speaks_in_clear_is_not_answered(members: Members, port: int) -> None:
    """And who believes another authority refuses to go on."""
    assert "NOAUTH" in members.ask(members.primary, port, "PING")
    assert "NOAUTH" not in members.ask(members.primary, port, "PING", options="")
    other = members.ask(members.primary, port, "PING", options="--tls --cacert /bench/other.crt")
    assert "certificate verify failed" in other


def test_mysql_takes_clients_and_members_by_tls_only() -> None:
    """Group communication, what a member missed, and full copies."""
    (machine, *_) = with_tls().hosts("mysql")
    (config,) = (file.text for file in files(machine, "mysql"))
    lines = config.splitlines()
    assert "require_secure_transport = ON" in lines
    assert lines[lines.index("[sst]") + 1] == "encrypt = 3"
    (options,) = (line.partition(" = ")[2].strip('"') for line in lines if line.startswith("wsrep_provider_opt"))
    own = dict(option.split(" = ") for option in options.split("; "))
    assert own["socket.ssl"] == "yes"
    assert (own["socket.ssl_ca"], own["socket.ssl_cert"]) == (f"{FOLDER}/ca.crt", f"{FOLDER}/machine.crt")
    assert own["socket.ssl_key"] == "/run/credentials/mariadb.service/machine.key"
    assert f"ssl_key = {own['socket.ssl_key']}" in lines


@pytest.mark.parametrize(("tier", "role"), [("redis", "redis"), ("redis", "sentinel"), ("mysql", "mysql")])
def test_systemd_passes_the_key_to_each_daemon(tier: str, role: str) -> None:
    """To the path that its configuration names."""
    machine = with_tls().hosts(tier)[0].role(role)
    vars_ = machine.vars
    assert f"LoadCredential=machine.key:{FOLDER}/machine.key\n" in vars_[f"__{role}_drop_in"]
    assert vars_[f"__{role}_tls_key"] == f"/run/credentials/{vars_[f'__{role}_service']}/machine.key"


def test_each_machine_gets_what_it_needs() -> None:
    """Backends verify, and have no certificate that could be stolen. The others have nothing."""
    found = with_tls()
    got = {
        tier: tuple(bool(found.hosts(tier)[0].vars[f"tls_{name}_file"]) for name in ("authority", "certificate", "key"))
        for tier in ("dns", "frontends", "backends", "redis", "mysql", "clients")
    }
    nothing, verifies, proves = (False, False, False), (True, False, False), (True, True, True)
    assert got == {
        **dict.fromkeys(("dns", "frontends", "clients"), nothing),
        "backends": verifies,
        **dict.fromkeys(("redis", "mysql"), proves),
    }
    machine = found.hosts("redis")[1]
    assert machine.vars["machine_ca_certificates"][machine.name] == [
        f"DNS:{machine.name}.meutrabalho.com.br",
        f"IP:{machine.address}",
    ]


def test_the_app_verifies_by_the_same_authority() -> None:
    """Its settings name the file that the role `tls` writes."""
    (env,) = (
        file.text
        for file in files(with_tls().hosts("backends")[0], "app")
        if file.dest.endswith("/etc/revezamento/revezamento.env")
    )
    assert f"\nREVEZAMENTO_CA_FILE={FOLDER}/ca.crt\n" in env


def test_the_firewall_does_not_notice() -> None:
    """The ports are the same."""
    for tier in ("redis", "mysql"):
        plain = inventory("ha").hosts(tier)[0].vars["nftables_rules"]
        assert with_tls().hosts(tier)[0].vars["nftables_rules"] == plain


@pytest.mark.parametrize("value", [False, "off", "false"])
def test_without_tls_nothing_of_it_is_configured(value: object) -> None:
    """The lab's default, to watch the traffic. On the command line, values are text."""
    lab = Inventory.load("inventory/ha", overrides=SECRETS | {"machine_tls": value})
    for tier, role in (("redis", "redis"), ("redis", "sentinel"), ("mysql", "mysql"), ("backends", "app")):
        machine = lab.hosts(tier)[0]
        for file in files(machine, role):
            assert not re.search(r"(?i)tls-|ssl|/ca\.crt|secure_transport|encrypt =|CA_FILE", file.text), file.dest
        if role != "app":
            assert "LoadCredential" not in machine.role(role).vars[f"__{role}_drop_in"]
    assert not lab.hosts("redis")[0].vars["tls_authority_file"]
