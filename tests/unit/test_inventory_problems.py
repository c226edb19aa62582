"""A bad inventory is refused with the place, the value and the remedy."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible._internal._datatag._tags import Origin
from ansible.parsing.dataloader import DataLoader
from preflight.machine import Machine

from lab.inventory import ROOT, Inventory
from tests.unit.conftest import Copy

HOSTS, LAB, SECRETS = "hosts.yml", "group_vars/all/lab.yml", "group_vars/all/secrets.yml"


@pytest.mark.parametrize("name", ["lab", "ha", "compact", "small"])
def test_our_inventories_have_no_problem(name: str) -> None:
    """The checks below do not reject a valid inventory."""
    assert Copy(ROOT / "inventory" / name).problems() == []


def test_an_inventory_without_clients_has_no_problem(lab: Copy) -> None:
    """Real users bring their own computers."""
    lab.replace(HOSTS, "        client: {ansible_host: 172.20.0.100, memory_mb: 1024}", "        {}")
    assert lab.problems() == []


CASES = {
    "one address for two machines": (
        HOSTS,
        "backend2: {ansible_host: 172.20.0.11",
        "backend2: {ansible_host: 172.20.0.20",
        r"hosts.yml:\d+, .*hosts.yml:\d+: backend2 and frontend1 have the same address 172.20.0.20. Give each its own.",
    ),
    "an address of another network": (
        HOSTS,
        "172.20.0.11",
        "172.21.0.11",
        r"hosts.yml:\d+: backend2: 172.21.0.11 is outside of the lab's network 172.20.0.0/24. Move it in",
    ),
    "the gateway's address": (
        HOSTS,
        "172.20.0.3,",
        "172.20.0.1,",
        r"hosts.yml:\d+: mysql1: 172.20.0.1 is the gateway. Use one from 172.20.0.2",
    ),
    "the network's address": (HOSTS, "172.20.0.3,", "172.20.0.0,", r"mysql1: 172.20.0.0 names the network"),
    "the broadcast address": (HOSTS, "172.20.0.3,", "172.20.0.255,", r"mysql1: 172.20.0.255 is the broadcast address"),
    "a name for an address": (
        HOSTS,
        "172.20.0.3,",
        "mysql1.example.org,",
        r"mysql1: `mysql1.example.org` is not an IPv4 address",
    ),
    "a number too large": (HOSTS, "172.20.0.3,", "172.20.0.300,", r"mysql1: `172.20.0.300` is not an IPv4 address"),
    "an IPv6 address": (HOSTS, "172.20.0.3,", '"fd00::3",', r"mysql1: `fd00::3` is not an IPv4 address"),
    "an empty tier": (
        HOSTS,
        "        redis1: {ansible_host: 172.20.0.4, memory_mb: 384}",
        "        {}",
        r"hosts.yml: group `redis` is empty.",
    ),
    "a missing tier": (
        HOSTS,
        "    frontends:",
        "    frontend:",
        r"hosts.yml: group `frontends` is missing. Is that `frontend`\?",
    ),
    "an unknown name beside a machine": (
        HOSTS,
        "memory_mb: 512",
        "colour: red",
        r"hosts.yml:\d+: nothing reads `colour`. A machine has ansible_host, service_address",
    ),
    "a misspelled name beside a machine": (
        HOSTS,
        "memory_mb: 512",
        "memroy_mb: 512",
        r"nothing reads `memroy_mb`. Did you mean `memory_mb`\?",
    ),
    "a misspelled variable of a role": (
        LAB,
        "bind_ttl_seconds: 5",
        "bind_ttl_second: 5",
        r"lab.yml:\d+: role `bind` has no variable `bind_ttl_second`. Did you mean `bind_ttl_seconds`\?",
    ),
    "an invented variable of a role": (
        LAB,
        "bind_ttl_seconds: 5",
        "bind_xyz: 5",
        r"role `bind` has no variable `bind_xyz`. Its variables are in ansible/roles/bind/defaults/main.yml.",
    ),
    "a misspelled name in group_vars": (
        LAB,
        "lab_domain:",
        "lab_domian:",
        r"lab.yml:\d+: nothing reads `lab_domian`. Did you mean `lab_domain`\?",
    ),
    "a short secret": (
        SECRETS,
        "secret_redis_app: ",
        "secret_redis_app: abc123\nlab_old_secret: ",
        r"secrets.yml:\d+: secret `secret_redis_app` has 6 characters, not 16. Set it in a file that ansible-vault",
    ),
    "an empty secret": (
        SECRETS,
        "secret_redis_app: ",
        'secret_redis_app: ""\nlab_old_secret: ',
        r"secret `secret_redis_app` has 0 characters",
    ),
    "a wrong name of a secret before": (
        SECRETS,
        "previous_secrets: ",
        "previous_secrets: {secret_redis_app: the-one-before}\nlab_old_secrets: ",
        r"secrets.yml:\d+: `previous_secrets` has `secret_redis_app`, but there is no `secret_secret_redis_app`.",
    ),
    "a secret before that is a number": (
        SECRETS,
        "previous_secrets: ",
        "previous_secrets: {redis_app: 12345678901234567890}\nlab_old_secrets: ",
        r"`previous_secrets` has `redis_app`, which is no text. Write it in quotes.",
    ),
    "secrets before without names": (
        SECRETS,
        "previous_secrets: ",
        "previous_secrets: [the-one-before]\nlab_old_secrets: ",
        r"`previous_secrets` is not a mapping.",
    ),
    "a missing secret": (
        SECRETS,
        "secret_redis_app:",
        "lab_old_secret:",
        r"ansible/group_vars/all/wiring.yml:\d+: secret `secret_redis_app` is missing.",
    ),
    "a lab subnet of four numbers": (
        HOSTS,
        "lab_subnet: 172.20.0",
        "lab_subnet: 172.20.0.0",
        r"hosts.yml:\d+: `172.20.0.0` is not the first three",
    ),
    "a public lab subnet": (
        HOSTS,
        "lab_subnet: 172.20.0",
        "lab_subnet: 8.8.8",
        r"hosts.yml:\d+: `8.8.8` is not .* a private network",
    ),
    "a rule for a tier that there is not": (
        LAB,
        "bind_ttl_seconds: 5",
        "allow_more: [{to: frontend, proto: tcp, ports: [8080], from: [anyone]}]",
        r"the rule names `frontend`, which is no tier. Did you mean `frontends`\?",
    ),
    "a rule from a tier that there is not": (
        LAB,
        "bind_ttl_seconds: 5",
        "allow_more: [{to: redis, proto: tcp, ports: [26379], from: [redis, anybody]}]",
        r"the rule names `anybody`, which is no tier and no address. There are clients, .*anyone.",
    ),
    "a way out for a tier that there is not": (
        LAB,
        "bind_ttl_seconds: 5",
        "allow_outgoing_more: [{from: [backend], proto: tcp, ports: [25], to: [anyone]}]",
        r"the rule names `backend`, which is no tier and no address. Did you mean `backends`\?",
    ),
    "a policy that there is not": (
        LAB,
        "bind_ttl_seconds: 5",
        "nftables_policy: close",
        r"lab.yml:\d+: `nftables_policy` cannot be `close`. Did you mean `closed`\?",
    ),
    "nobody may log in": (
        LAB,
        "allow_ssh_from: [",
        "nftables_policy: closed\nallow_ssh_from: []\nothers: [",
        r"lab.yml:\d+: the closed policy needs `allow_ssh_from`. Set it to the addresses from which Ansible",
    ),
    "SSH from a tier that there is not": (
        LAB,
        "allow_ssh_from: [",
        "nftables_policy: closed\nallow_ssh_from: [frontend, ",
        r"the rule names `frontend`, which is no tier and no address. Did you mean `frontends`\?",
    ),
    "a way of balancing that there is not": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_persistence: route-cookie",
        r"lab.yml:\d+: `nginx_persistence` cannot be `route-cookie`. Did you mean `route_cookie`\?",
    ),
    "draining a backend that there is not": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_draining: [backend22]",
        r"lab.yml:\d+: `nginx_draining` has `backend22`, which is no backend. Did you mean `backend2`\?",
    ),
    "draining every backend": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_draining: [backend1, backend2, backend3]",
        r"lab.yml:\d+: `nginx_draining` has every backend, so that none takes new visitors. Leave one out.",
    ),
    "draining without a list": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_draining: backend2",
        r"lab.yml:\d+: `nginx_draining` is not a list. Write it like \[backend1\].",
    ),
    "a weight for a backend that there is not": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_backend_weights: {backend1: 2, backend2: 1, backend3: 1, front: 1}",
        r"lab.yml:\d+: `nginx_backend_weights` has `front`, which is no backend. Remove it.",
    ),
    "a backend without a weight": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_backend_weights: {backend1: 50, backend2: 25}",
        r"lab.yml:\d+: `nginx_backend_weights` has no weight for backend3. Add one",
    ),
    "a weight of nothing": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_backend_weights: {backend1: 0, backend2: 1, backend3: 1}",
        r"lab.yml:\d+: `nginx_backend_weights` gives backend1 `0`. Write a whole number from 1 to 100.",
    ),
    "a weight that is a fraction": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_backend_weights: {backend1: 0.5, backend2: 1, backend3: 1}",
        r"`nginx_backend_weights` gives backend1 `0.5`. Write a whole number",
    ),
    "weights without names": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_backend_weights: [50, 25, 25]",
        r"`nginx_backend_weights` must be a mapping. Write it like \{backend1: 50\}.",
    ),
    "a kind of TLS that there is not": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_tls: labca",
        r"lab.yml:\d+: `nginx_tls` cannot be `labca`. Did you mean `lab_ca`\?",
    ),
    "a certificate from elsewhere that is missing": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_tls: provided",
        r"wiring.yml:\d+: with `nginx_tls: provided`, `nginx_tls_certificate_file` is missing. Write an absolute path",
    ),
    "a certificate from elsewhere by a relative path": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_tls: provided\nnginx_tls_certificate_file: tls/site.crt",
        r"lab.yml:\d+: .* `nginx_tls_certificate_file` is `tls/site.crt`. Write an absolute path",
    ),
    "TLS between the machines that is neither on nor off": (
        LAB,
        "bind_ttl_seconds: 5",
        "machine_tls: lab_ca",
        r"lab.yml:\d+: `machine_tls` cannot be `lab_ca`. Write true or false.",
    ),
    "an authority of the machines by a relative path": (
        LAB,
        "bind_ttl_seconds: 5",
        "machine_tls: true\nmachine_ca_folder: machine-ca",
        r"lab.yml:\d+: with `machine_tls: true`, `machine_ca_folder` is `machine-ca`. Write an absolute path",
    ),
    "Let's Encrypt for a lab": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_tls: acme",
        r"lab.yml:\d+: Let's Encrypt cannot reach a lab. Set acme_directory_url to a server that asks the lab's DNS",
    ),
    "an ACME server without TLS": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_tls: acme\nacme_directory_url: http://192.0.2.1/dir",
        r"lab.yml:\d+: `acme_directory_url` is `http://192.0.2.1/dir`. Write it like https://",
    ),
    "no mail address": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_tls: acme\nacme_directory_url: https://192.0.2.1/dir\nacme_email: hostmaster",
        r"lab.yml:\d+: `acme_email` is `hostmaster`. Write a mail address that you read.",
    ),
    "a missing authority of the ACME server": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_tls: acme\nacme_ca_file: /nowhere/ca.crt",
        r"lab.yml:\d+: `acme_ca_file`: there is no file `/nowhere/ca.crt`.",
    ),
    "a public address that is a name": (
        HOSTS,
        "frontend1: {ansible_host: 172.20.0.20,",
        "frontend1: {ansible_host: 172.20.0.20, nginx_public_addresses: [www.example.com],",
        r"hosts.yml:\d+: `nginx_public_addresses` has `www.example.com`, which is no IPv4 address.",
    ),
    "a public address without a list": (
        LAB,
        "bind_ttl_seconds: 5",
        "www_public_addresses: 203.0.113.20",
        r"lab.yml:\d+: `www_public_addresses` is not a list. Write it like \[203.0.113.20\].",
    ),
    "a public view without public name servers": (
        LAB,
        "bind_ttl_seconds: 5",
        "www_public_addresses: [203.0.113.20]",
        r"hosts.yml:\d+: `www` has public addresses, so its name servers need some as well. Give dns1 `bind_public_",
    ),
    "a proxy that is a name": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_trusted_proxies: [anyone]",
        r"lab.yml:\d+: `nginx_trusted_proxies` has `anyone`, which is no address and no network.",
    ),
    "everybody is a proxy": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_trusted_proxies: [0.0.0.0/0]",
        r"lab.yml:\d+: `nginx_trusted_proxies` has the whole internet. List the addresses of the proxies",
    ),
    "the PROXY protocol without a proxy": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_proxy_protocol: true",
        r"`nginx_proxy_protocol` needs `nginx_trusted_proxies`. List the load balancers",
    ),
    "a rule for an address that is no machine's": (
        LAB,
        "bind_ttl_seconds: 5",
        "allow_more: [{to: 172.20.0.99, proto: tcp, ports: [22], from: [frontends]}]",
        r"the rule names `172.20.0.99`, which is no tier. There are clients",
    ),
    "a template that names no group": (
        LAB,
        "bind_ttl_seconds: 5",
        "nginx_backends: \"{{ dict(groups['backend'] | zip(tier_addresses.backends)) }}\"",
        r"lab.yml:\d+: `nginx_backends` cannot be evaluated: .*backend",
    ),
    "a template that does not parse": (
        LAB,
        "bind_ttl_seconds: 5",
        'mysql_address: "{{ service_address }"',
        r"lab.yml:\d+: `mysql_address` cannot be evaluated: .*yntax",
    ),
}


@pytest.mark.parametrize(("file", "old", "new", "message"), CASES.values(), ids=CASES.keys())
def test_a_mistake_is_reported(lab: Copy, file: str, old: str, new: str, message: str) -> None:
    """The message names the line to correct."""
    lab.replace(file, old, new)
    found = lab.problems()
    assert [problem for problem in found if re.search(message, problem)], found


@pytest.mark.parametrize("subnet", ["192.168", "foo", "192.168.56.0/24", "300.1.1", "8.8.8"])
def test_a_bad_lab_subnet_is_one_problem(lab: Copy, subnet: str) -> None:
    """It invalidates all ten addresses, but ten messages would hide the cause."""
    (problem,) = lab.problems(subnet)
    assert f"`{subnet}` is not the first three numbers of a private network" in problem


def test_a_misspelled_address_key_gets_a_suggestion(lab: Copy) -> None:
    """Ansible silently ignores `anisble_host` and would look the machine up in DNS."""
    lab.replace(HOSTS, "backend2: {ansible_host", "backend2: {anisble_host")
    assert any(
        "backend2 has no address" in problem and "Is that `anisble_host`?" in problem for problem in lab.problems()
    )


def test_valid_weights_and_draining_are_accepted(lab: Copy) -> None:
    """The cases above do not reject valid settings."""
    fitting = "nginx_backend_weights: {backend1: 50, backend2: 25, backend3: 25}\nnginx_draining: [backend2]"
    lab.replace(LAB, "bind_ttl_seconds: 5", f"{fitting}\nnginx_persistence: route_cookie")
    assert lab.problems() == []


def test_a_public_side_is_accepted(lab: Copy) -> None:
    """With a load balancer, a rule for one machine, and certificates from a server of its own."""
    lab.replace(HOSTS, "dns1: {", "dns1: {bind_public_addresses: [203.0.113.5], ")
    lab.replace(HOSTS, "frontend1: {", "frontend1: {nginx_public_addresses: [203.0.113.20], ")
    settings = "nginx_trusted_proxies: [192.0.2.250, 2001:db8::/64]\nnginx_proxy_protocol: true\nnginx_tls: acme\n"
    settings += "acme_directory_url: https://172.20.0.100:14000/dir\nnftables_policy: closed\n"
    settings += "allow_ssh_from: [192.0.2.1]\n"
    lab.replace(LAB, "bind_ttl_seconds: 5", settings + "bind_ttl_seconds: 5")
    lab.replace(LAB, 'allow_ssh_from: ["', 'others: ["')
    assert lab.problems() == []


def test_all_problems_are_reported_at_once(lab: Copy) -> None:
    """Users do not have to run the preflight once per mistake."""
    lab.replace(HOSTS, "172.20.0.3,", "172.20.0.4,")
    lab.replace(LAB, "bind_ttl_seconds", "bind_tll_seconds")
    lab.replace(SECRETS, "secret_mysql_app:", "lab_old_secret:")
    text = "\n".join(lab.problems())
    assert all(word in text for word in ("mysql1 and redis1", "bind_tll_seconds", "secret_mysql_app"))


def test_demo_users_are_refused_outside_of_the_lab(lab: Copy) -> None:
    """Their passwords are in a public repository."""
    (lab.path / "subnet.yml").unlink()
    lab.replace(HOSTS, "  vars:\n    lab_subnet: 172.20.0\n", "")
    (problem,) = lab.problems()
    assert "`app_demo_users` have public passwords" in problem


def test_values_that_machines_share_are_those_of_each(lab: Copy) -> None:
    """Each is evaluated once for all machines that it is the same for."""
    by_name = "lab_own: \"{{ lookup('vars', 'service_address') }}\"\nlab_mine: '{{ lab_own }}'\n"
    lab.replace(LAB, "bind_ttl_seconds: 5", f"{by_name}bind_ttl_seconds: 5")
    inventory = Inventory.load(lab.path)
    known: dict[Any, Any] = {}
    raw = {
        name: inventory.hostvars.raw_get(name) | {"hostvars": inventory.hostvars} for name in inventory.groups["all"]
    }
    loader = inventory.hostvars._loader
    machines = {name: Machine(variables, loader, known) for name, variables in raw.items()}
    for machine in machines.values():
        assert all(
            machine.read(key) is not None or machine.raw[key] is None for key in ("lab_mine", "nginx_map", "allow")
        )
    assert [machine["lab_mine"] for machine in machines.values()] == [
        one["service_address"] for one in machines.values()
    ]
    for name in ("backend2", "frontend3", "redis1"):
        alone = Machine(raw[name], loader, {})
        differing = [key for key in alone.own_keys if machines[name].read(key) != alone.read(key)]
        assert differing == []


def test_values_of_a_program_are_those_of_each_machine() -> None:
    """An inventory that a program prints has no lines that tell them apart."""
    known: dict[Any, Any] = {}
    for address in ("192.0.2.1", "192.0.2.2"):
        raw = {"ansible_host": Origin(path="/site/inventory.py").tag(address)}
        assert Machine(raw, DataLoader(), known)["ansible_host"] == address


def test_no_secret_is_shown(lab: Copy) -> None:
    """The message ends up in terminals and CI logs."""
    lab.replace(SECRETS, "secret_redis_app: ", "secret_redis_app: hunter2\nlab_old_secret: ")
    assert "hunter2" not in "\n".join(lab.problems())


def test_machines_behind_one_address_differ_by_port(lab: Copy) -> None:
    """Port forwarding is a common way into a private network."""
    for last in ("10", "11"):
        forwarded = f"ansible_host: 172.20.0.9, ansible_port: 22{last}, service_address: 172.20.0.{last},"
        lab.replace(HOSTS, f"ansible_host: 172.20.0.{last},", forwarded)
    (lab.path / "subnet.yml").unlink()
    assert lab.problems() == []


def test_documented_switches_are_accepted(lab: Copy) -> None:
    """Documents and messages say `-e name=value`, of which some are in no inventory."""
    files = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "ansible").rglob("*.yml")]
    names = sorted({name for file in files for name in re.findall(r" -e (\w+)=", file.read_text(encoding="utf-8"))})
    assert {"machine_tls_change", "redis_min_replicas"} <= set(names)
    lab.replace(LAB, "bind_ttl_seconds: 5", "\n".join(["bind_ttl_seconds: 5", *(f"{name}: ''" for name in names)]))
    assert [problem for problem in lab.problems() if "nothing reads" in problem or "has no variable" in problem] == []


def test_a_value_that_depends_on_facts_is_accepted(lab: Copy) -> None:
    """Facts are gathered later, from the machines."""
    lab.replace(LAB, "bind_ttl_seconds: 5", "bind_ttl_seconds: \"{{ ansible_facts['processor_count'] }}\"")
    assert lab.problems() == []
