"""Finds every problem of an inventory. Each message has the place, the problem and the remedy.

{{ groups | inventory_problems(hostvars) }}   ->   ["inventory/lab/hosts.yml:20: backend2 …", …]
"""

from __future__ import annotations

import datetime
import difflib
import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from ansible._internal._datatag._tags import Origin
from ansible.errors import AnsibleError
from ansible.template import Templar
from jinja2 import Environment, TemplateSyntaxError, nodes

SAME_FOR_ALL = ("groups", "hostvars")
MACHINE_KEYS = ("ansible_host", "service_address", "memory_mb", "cpus")
LAB_KEYS = ("lab_subnet", "lab_domain", "lab_state_dir")
PROJECT_KEYS = (
    *(*MACHINE_KEYS, *LAB_KEYS, "in_service", "machine_units", "machine_role", "site_url", "www_addresses"),
    *("machine_tls", "machine_tls_change", "machine_ca_folder", "machine_ca_certificates"),
)
SECRET_MIN_CHARACTERS = 16
ANYONE = "anyone"
ALL = "all"
POLICIES = ("open", "closed")
PERSISTENCE = ("none", "route_cookie")
TLS = ("off", "lab_ca", "acme", "provided")
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org"
WEIGHTS = range(1, 101)  # nginx counts shares in hundredths of a percent
PRIVATE_NETWORKS = tuple(ipaddress.IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))

Groups = Mapping[str, list[str]]
Machines = Mapping[str, "Machine"]
Variables = Mapping[str, set[str]]  # what each role declares
Tiers = Mapping[str, Mapping[str, Any]]  # ansible/group_vars/all/tiers.yml


class Machine(Mapping[str, Any]):
    """One host's variables: `raw`, or templated on access, with the place where each is set."""

    def __init__(self, raw: Mapping[str, Any], loader: Any, known: dict[Any, Any]) -> None:
        """`known` are the values that any machine has evaluated, by what they are made of."""
        self.raw = raw
        self.own_keys = [key for key in raw if place(key)]  # set by the inventory, not added by Ansible
        self.loader = loader
        self._templar = Templar(loader=loader, variables=dict(raw))
        self._known = known

    def __getitem__(self, key: str) -> Any:
        made_of = key, self._sources(key)
        if made_of not in self._known:
            self._known[made_of] = self._templar.template(self.raw[key])
        return self._known[made_of]

    def _sources(self, key: str) -> frozenset[tuple[str, str]]:
        """The variables that a value is made of, as they are written: what machines share is evaluated once."""
        found: dict[str, str] = {}
        waiting = [key]
        while waiting:
            name = waiting.pop()
            if name not in found and name in self.raw and name not in SAME_FOR_ALL:
                value = self.raw[name]
                found[name] = repr(value)
                waiting += variables(value)
        return frozenset(found.items())

    def __contains__(self, key: object) -> bool:
        return key in self.raw

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def read(self, key: str) -> Any:
        """The value; None if it is missing or its template is broken (which `broken_values` reports)."""
        try:
            return self[key]
        except (KeyError, AnsibleError):
            return None

    def place(self, key: str) -> str:
        return place(self.raw.get(key)) or next((place(own) for own in self.own_keys if own == key), "the inventory")


def place(value: Any) -> str:
    """Where Ansible read a key or a value, like `inventory/lab/hosts.yml:20`; '' if that is unknown."""
    origin = Origin.get_tag(value)
    if origin is None or not origin.path:
        return (origin.description or "") if origin else ""
    return ":".join(str(part) for part in (os.path.relpath(origin.path), origin.line_num) if part)


def nearest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The remedy for a typo: the closest known name."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return f"Did you mean `{close[0]}`?" if close else otherwise


def mentions(value: Any) -> set[str]:
    """Every name in a value's templates, however deep."""
    if isinstance(value, str):
        return set(re.findall(r"\w+", value)) if "{{" in value or "{%" in value else set()
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return set().union(*map(mentions, parts))


def variables(value: Any) -> set[str]:
    """The variables of the machine itself that a value's templates read."""
    if isinstance(value, str):
        return variables_of_template(str(value)) if "{{" in value or "{%" in value else set()
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return set().union(*map(variables, parts))


@cache
def variables_of_template(text: str) -> set[str]:
    try:
        found = {name.name for name in Environment().parse(text).find_all(nodes.Name)}
    except TemplateSyntaxError:
        return set()  # its evaluation says so
    return {*found, "inventory_hostname"} if re.search(r"\bvars\b", text) else found  # lookup('vars', …) reads any


def as_ipv4(value: Any) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(str(value))
    except ValueError:
        return None


def as_network(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        return None


def lab_network(machines: Machines) -> tuple[ipaddress.IPv4Network | None, list[str]]:
    """The lab's /24 (None outside of a lab), and the problems of `lab_subnet`."""
    machine = next((machine for machine in machines.values() if "lab_subnet" in machine), None)
    if machine is None:
        return None, []
    subnet = str(machine.read("lab_subnet"))
    if (base := as_ipv4(f"{subnet}.0")) and any(base in private for private in PRIVATE_NETWORKS):
        return ipaddress.IPv4Network(f"{base}/24"), []
    where = "LAB_SUBNET in your environment" if os.environ.get("LAB_SUBNET") == subnet else machine.place("lab_subnet")
    what = f"`{subnet}` is not the first three numbers of a private network"
    return None, [f"{where}: {what}. Write it like 192.168.57."]


def missing_tiers(groups: Groups, machines: Machines, tiers: Tiers) -> Iterator[str]:
    files = {machine.place("inventory_hostname").rpartition(":")[0] for machine in machines.values()}
    for tier, entry in tiers.items():
        if not groups.get(tier) and entry.get("required", True):
            what = "is empty" if tier in groups else "is missing"
            renamed = nearest(tier, set(groups) - set(tiers)).replace("Did you mean", "Is that")
            where = ", ".join(sorted(files)) or "the inventory"
            yield f"{where}: group `{tier}` {what}. {renamed or 'Every tier needs a machine.'}"


def wrong_rules(machines: Machines, tiers: Tiers) -> Iterator[str]:
    """A rule that names no tier and no address would open or close nothing."""
    places, addresses = [*tiers, ALL], [*tiers, ANYONE]
    own = {machine.read("service_address") for machine in machines.values()}
    for machine in machines.values():
        for rule in machine.read("allow") or ():
            if rule.get("to") not in own:
                yield from strange_names(machine, "allow", rule, [rule.get("to")], places, or_address=False)
            yield from strange_names(machine, "allow", rule, rule.get("from", ()), addresses)
        for rule in machine.read("allow_outgoing") or ():
            yield from strange_names(machine, "allow_outgoing", rule, rule.get("to", ()), addresses)
            yield from strange_names(machine, "allow_outgoing", rule, rule.get("from", ()), places)


def strange_names(
    machine: Machine, key: str, rule: Any, names: Iterable[Any], known: list[str], *, or_address: bool = True
) -> Iterator[str]:
    for name in names:
        if name not in known and not (or_address and as_network(name)):
            remedy = nearest(str(name), known, f"There are {', '.join(known)}.")
            what = f"the rule names `{name}`, which is no tier{' and no address' * or_address}"
            yield f"{place(rule) or machine.place(key)}: {what}. {remedy}"


def wrong_policy(machines: Machines) -> Iterator[str]:
    """With the closed policy, a machine that accepts SSH from nowhere could not be changed any more."""
    for machine in machines.values():
        policy = machine.read("nftables_policy") or POLICIES[0]
        if policy not in POLICIES:
            remedy = nearest(str(policy), POLICIES, f"Write {' or '.join(POLICIES)}.")
            yield f"{machine.place('nftables_policy')}: `nftables_policy` cannot be `{policy}`. {remedy}"
        elif policy == "closed" and not machine.read("allow_ssh_from"):
            remedy = "Set it to the addresses from which Ansible and administrators connect."
            yield f"{machine.place('nftables_policy')}: the closed policy needs `allow_ssh_from`. {remedy}"


def bad_addresses(machines: Machines, network: ipaddress.IPv4Network | None) -> Iterator[str]:
    users: dict[str, dict[str, str]] = {}  # address -> machine -> where that is written
    for name, machine in machines.items():
        line, ssh, service = (
            machine.place("inventory_hostname"),
            machine.read("ansible_host"),
            machine.read("service_address"),
        )
        if service is None:
            renamed = nearest("ansible_host", machine.own_keys).replace("Did you mean", "Is that")
            yield f"{line}: {name} has no address. Give it `ansible_host: <IPv4 address>`. {renamed}"
        elif not as_ipv4(service):
            yield f"{line}: {name}: `{service}` is not an IPv4 address. Write four numbers as its service_address."
        forwarded = machine.read("ansible_port") not in (None, 22, "22")  # many machines behind one address
        for address in {str(a) for a in (None if forwarded else ssh, service) if a is not None}:
            users.setdefault(address, {})[name] = line
    for address, where in users.items():
        if len(where) > 1:
            lines, names = ", ".join(where.values()), " and ".join(where)
            yield f"{lines}: {names} have the same address {address}. Give each its own."
        if network and (ip := as_ipv4(address)) and (wrong := no_place_for(ip, network)):
            yield from (f"{line}: {name}: {address} {wrong}" for name, line in where.items())


def no_place_for(ip: ipaddress.IPv4Address, network: ipaddress.IPv4Network) -> str:
    """Why no machine of the lab can have this address; '' if the address is valid."""
    owners = {network[0]: "names the network", network[1]: "is the gateway", network[-1]: "is the broadcast address"}
    if ip not in network:
        return f"is outside of the lab's network {network}. Move it in, or change lab_subnet."
    return f"{owners[ip]}. Use one from {network[2]} to {network[-2]}." if ip in owners else ""


def unknown_keys(machines: Machines, declared: Variables) -> Iterator[str]:
    """A key that no role declares and nothing in the inventory reads is a typo."""
    for machine in machines.values():
        known = {*PROJECT_KEYS}.union(*declared.values(), *(mentions(machine.raw[key]) for key in machine.own_keys))
        for key in machine.own_keys:
            role = next((role for role in declared if key.startswith(f"{role}_")), None)
            if key in known or key.startswith("ansible_"):
                continue
            if role:
                remedy = nearest(key, declared[role], f"Its variables are in ansible/roles/{role}/defaults/main.yml.")
                yield f"{place(key)}: role `{role}` has no variable `{key}`. {remedy}"
            elif remedy := nearest(key, known, stands_beside_machines(key, machine)):
                yield f"{place(key)}: nothing reads `{key}`. {remedy}"


def stands_beside_machines(key: str, machine: Machine) -> str:
    """group_vars may hold users' own variables; next to the machines, only known keys are allowed."""
    origin = Origin.get_tag(key)
    beside = origin is not None and origin.path and Path(origin.path).parent == Path(machine.raw["inventory_dir"])
    return f"A machine has {', '.join(MACHINE_KEYS)}, ansible_* and the roles' variables." if beside else ""


def bad_secrets(machines: Machines) -> Iterator[str]:
    """Secrets are the variables whose names begin with `secret_`. Their values are never shown."""
    remedy = "Set it in a file that ansible-vault encrypts; the lab makes its own."
    for machine in machines.values():
        users = {name: key for key in machine.own_keys for name in mentions(machine.raw[key])}
        for name, user in users.items():
            if not name.startswith("secret_"):
                continue
            value = machine.read(name)
            if name not in machine:
                yield f"{machine.place(user)}: secret `{name}` is missing. {remedy}"
            elif value is not None and len(str(value)) < SECRET_MIN_CHARACTERS:
                size = f"{len(str(value))} characters, not {SECRET_MIN_CHARACTERS}"
                yield f"{machine.place(name)}: secret `{name}` has {size}. {remedy}"
        yield from bad_previous_secrets(machine)


def bad_previous_secrets(machine: Machine) -> Iterator[str]:
    """A wrong name would replace a secret without overlap."""
    previous, where = machine.read("previous_secrets") or {}, machine.place("previous_secrets")
    if not isinstance(previous, Mapping):
        yield f"{where}: `previous_secrets` is not a mapping. Write it like {{mysql_app: the one before}}."
        return
    for name, value in previous.items():
        if f"secret_{name}" not in machine:
            yield f"{where}: `previous_secrets` has `{name}`, but there is no `secret_{name}`. Correct the name."
        elif not isinstance(value, str):
            yield f"{where}: `previous_secrets` has `{name}`, which is no text. Write it in quotes."


def wrong_balancing(machines: Machines) -> Iterator[str]:
    """nginx would also refuse most of these, but only after other machines were changed."""
    for machine in machines.values():
        way, backends = machine.read("nginx_persistence") or "none", set(machine.read("nginx_backends") or ())
        if way not in PERSISTENCE:
            remedy = nearest(str(way), PERSISTENCE, f"Write {' or '.join(PERSISTENCE)}.")
            yield f"{machine.place('nginx_persistence')}: `nginx_persistence` cannot be `{way}`. {remedy}"
        if backends:
            yield from wrong_draining(machine, backends)
            yield from wrong_weights(machine, backends)


def wrong_draining(machine: Machine, backends: set[str]) -> Iterator[str]:
    draining, where = machine.read("nginx_draining") or [], machine.place("nginx_draining")
    if not isinstance(draining, list):
        yield f"{where}: `nginx_draining` is not a list. Write it like [{min(backends)}]."
        return
    for name in (str(name) for name in draining if name not in backends):
        yield f"{where}: `nginx_draining` has `{name}`, which is no backend. {nearest(name, backends, 'Remove it.')}"
    if backends <= set(draining):
        yield f"{where}: `nginx_draining` has every backend, so that none takes new visitors. Leave one out."


def wrong_weights(machine: Machine, backends: set[str]) -> Iterator[str]:
    weights, where = machine.read("nginx_backend_weights") or {}, machine.place("nginx_backend_weights")
    if not isinstance(weights, Mapping):
        yield f"{where}: `nginx_backend_weights` must be a mapping. Write it like {{{min(backends)}: 50}}."
        return
    table = f"{where}: `nginx_backend_weights`"
    for name, weight in weights.items():
        if name not in backends:
            yield f"{table} has `{name}`, which is no backend. {nearest(str(name), backends, 'Remove it.')}"
        elif isinstance(weight, bool) or not isinstance(weight, int) or weight not in WEIGHTS:
            yield f"{table} gives {name} `{weight}`. Write a whole number from {WEIGHTS[0]} to {WEIGHTS[-1]}."
    for name in sorted(backends - set(weights)) if weights else ():
        yield f"{table} has no weight for {name}. Add one; to stop new visitors, use nginx_draining."


def wrong_tls(machines: Machines) -> Iterator[str]:
    for machine in machines.values():
        where, mode = machine.place("nginx_tls"), machine.read("nginx_tls") or TLS[0]  # YAML reads `off` as false
        if mode not in TLS:
            remedy = nearest(str(mode), TLS, f"Write one of {', '.join(TLS)}.")
            yield f"{where}: `nginx_tls` cannot be `{mode}`. {remedy}"
        elif mode == "lab_ca" and "lab_subnet" not in machine:
            yield f"{where}: `nginx_tls: lab_ca` is for a lab: no user's browser trusts it. Use `acme` or `provided`."
        elif mode == "acme":
            yield from wrong_acme(machine)
        elif mode == "provided":
            yield from wrong_files(machine)


def wrong_machine_tls(machines: Machines) -> Iterator[str]:
    for machine in machines.values():
        where, wanted = machine.place("machine_tls"), str(machine.read("machine_tls")).lower()
        if wanted not in ("on", "true", "off", "false", "none"):
            yield f"{where}: `machine_tls` cannot be `{wanted}`. Write true or false."
        elif wanted in ("on", "true"):
            folder = str(machine.read("machine_ca_folder") or "")
            if not Path(folder).is_absolute():
                what = f"is `{folder}`" if folder else "is missing"
                remedy = "Write an absolute path on this computer, outside of the project. Keep it: it is secret."
                key_place = machine.place("machine_ca_folder")
                yield f"{key_place}: with `machine_tls: true`, `machine_ca_folder` {what}. {remedy}"
            if find_spec("cryptography") is None:
                yield f"{where}: `machine_tls: true` needs the Python package cryptography beside Ansible. Install it."


def wrong_acme(machine: Machine) -> Iterator[str]:
    """Settings with which no server would issue a certificate."""
    url, email = str(machine.read("acme_directory_url") or ""), str(machine.read("acme_email") or "")
    if not re.fullmatch(r"https://[^\s/]+/\S*", url):
        remedy = f"Write it like {LETS_ENCRYPT}/directory."
        yield f"{machine.place('acme_directory_url')}: `acme_directory_url` is `{url}`. {remedy}"
    elif url.startswith(LETS_ENCRYPT) and "lab_subnet" in machine:
        remedy = "Set acme_directory_url to a server that asks the lab's DNS, or use `nginx_tls: lab_ca`."
        yield f"{machine.place('nginx_tls')}: Let's Encrypt cannot reach a lab. {remedy}"
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        yield f"{machine.place('acme_email')}: `acme_email` is `{email}`. Write a mail address that you read."
    if (path := machine.read("acme_ca_file")) and not Path(path).is_file():
        yield f"{machine.place('acme_ca_file')}: `acme_ca_file`: there is no file `{path}`. Write an absolute path."


PUBLIC_ADDRESSES = ("nginx_public_addresses", "bind_public_addresses", "www_public_addresses")
NETWORKS = ("nginx_trusted_proxies", "bind_inside")


def wrong_public_side(groups: Groups, machines: Machines) -> Iterator[str]:
    """Public addresses that no zone can have, and proxies that would let clients choose their address."""
    for machine in machines.values():
        for key in (*PUBLIC_ADDRESSES, *NETWORKS):
            value = machine.read(key) or []
            fits, kind = (as_network, "address and no network") if key in NETWORKS else (as_ipv4, "IPv4 address")
            if not isinstance(value, list):
                yield f"{machine.place(key)}: `{key}` is not a list. Write it like [203.0.113.20]."
                continue
            yield from (f"{machine.place(key)}: `{key}` has `{v}`, which is no {kind}." for v in value if not fits(v))
            if any((network := as_network(one)) and network.prefixlen == 0 for one in value):
                remedy = "List the addresses of the proxies: everybody else could claim any address."
                yield f"{machine.place(key)}: `{key}` has the whole internet. {remedy}"
        if machine.read("nginx_proxy_protocol") and not machine.read("nginx_trusted_proxies"):
            where, remedy = machine.place("nginx_proxy_protocol"), "List the load balancers that speak it."
            yield f"{where}: `nginx_proxy_protocol` needs `nginx_trusted_proxies`. {remedy}"
        for name in groups.get("dns", ()) if machine.read("www_public_addresses") else ():
            if not machines[name].read("bind_public_addresses"):
                where, remedy = machines[name].place("inventory_hostname"), f"Give {name} `bind_public_addresses`."
                yield f"{where}: `www` has public addresses, so its name servers need some as well. {remedy}"


def wrong_files(machine: Machine) -> Iterator[str]:
    """What is wrong with the certificate, or its key, that the inventory provides."""
    texts = {}
    for key in ("nginx_tls_certificate_file", "nginx_tls_key_file"):
        path = str(machine.read(key) or "")
        if not Path(path).is_absolute():
            what = f"is `{path}`" if path else "is missing"
            remedy = "Write an absolute path outside of the inventory's folder, which is for inventories alone."
            yield f"{machine.place(key)}: with `nginx_tls: provided`, `{key}` {what}. {remedy}"
            continue
        try:
            texts[key] = (machine.place(key), machine.loader.get_text_file_contents(path))  # decrypts ansible-vault's
        except (AnsibleError, OSError, UnicodeError) as error:
            yield f"{machine.place(key)}: `{key}`: {error}"
    if len(texts) == 2:
        (where, certificate), (where_key, key) = texts.values()
        yield from wrong_certificate(where, certificate, where_key, key, list(machine.read("nginx_tls_names") or ()))


def wrong_certificate(where: str, certificate: str, where_key: str, key: str, names: list[str]) -> Iterator[str]:
    """A certificate that browsers would refuse, or a key that nginx would. No part of the key is shown."""
    try:  # not needed without TLS, and Ansible may run without it
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
    except ImportError:
        yield f"{where}: `nginx_tls: provided` needs the Python package cryptography beside Ansible. Install it."
        return

    def public(owner: Any) -> bytes:
        return bytes(owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    try:
        first = x509.load_pem_x509_certificates(certificate.encode())[0]
    except ValueError:
        yield f"{where}: `nginx_tls_certificate_file` has no certificate in PEM. It begins with -----BEGIN CERTIFICATE."
        return
    try:
        if public(load_pem_private_key(key.encode(), None)) != public(first):
            yield f"{where_key}: `nginx_tls_key_file` belongs to another certificate than {where} names."
    except TypeError:
        remedy = "Remove it with `openssl pkey`, and encrypt the file with ansible-vault."
        yield f"{where_key}: `nginx_tls_key_file` has a passphrase, for which nginx would ask. {remedy}"
    except ValueError:
        yield f"{where_key}: `nginx_tls_key_file` has no private key in PEM. It begins with -----BEGIN PRIVATE KEY."

    now = datetime.datetime.now(datetime.UTC)
    if first.not_valid_after_utc <= now:
        yield f"{where}: the certificate has expired on {first.not_valid_after_utc:%Y-%m-%d}. Provide a new one."
    if first.not_valid_before_utc > now:
        yield f"{where}: the certificate is not valid before {first.not_valid_before_utc:%Y-%m-%d %H:%M} UTC."
    found = certified_names(first)
    for name in (name for name in names if name not in found and f"*.{name.partition('.')[2]}" not in found):
        yield f"{where}: the certificate is not valid for {name}, but for {', '.join(sorted(found)) or 'no name'}."


def certified_names(certificate: Any) -> set[str]:
    """The DNS names and addresses that a certificate is valid for."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def demo_users_outside_the_lab(machines: Machines) -> Iterator[str]:
    for machine in machines.values():
        if "lab_subnet" not in machine and machine.read("app_demo_users"):
            where = machine.place("app_demo_users")
            yield f"{where}: `app_demo_users` have public passwords and are for the lab alone. Remove them."


def broken_values(machines: Machines, declared: Variables) -> Iterator[str]:
    """Templates that cannot be evaluated, except those that need a fact or a role's default."""
    later = {"ansible_facts"}.union(*declared.values())
    for machine in machines.values():
        for key in machine.own_keys:
            try:
                machine[key]
            except AnsibleError as error:
                undefined = set(re.findall(r"'(\w+)' is undefined", str(error)))
                if not undefined & later and "ansible_facts" not in mentions(machine.raw[key]):
                    yield f"{machine.place(key)}: `{key}` cannot be evaluated: {error}"


def declared_variables(roles: Path) -> dict[str, set[str]]:
    """The variables in each role's argument specs."""
    specs = {path.parts[-3]: yaml.safe_load(path.read_bytes()) for path in roles.glob("*/meta/argument_specs.yml")}
    return {role: set(spec["argument_specs"]["main"].get("options", {})) for role, spec in specs.items()}


def inventory_problems(groups: Groups, hostvars: Any) -> list[str]:
    """All problems, each once. Empty if the inventory is valid."""
    groups = {name: hosts for name, hosts in groups.items() if name != "ungrouped"}
    loader = hostvars._loader
    known: dict[Any, Any] = {}
    raw = {name: {**hostvars.raw_get(name), "hostvars": hostvars} for name in groups["all"]}
    machines = {name: Machine(variables, loader, known) for name, variables in raw.items()}
    declared = declared_variables(Path(__file__).parents[1] / "roles")
    network, found = lab_network(machines)
    if not found:
        found += bad_addresses(machines, network)
    if not found:  # many values depend on the addresses, which are the same for all machines
        addresses = next((machine.read("tier_addresses") for machine in machines.values()), None)
        shared = {"tier_addresses": addresses}
        machines = {name: Machine({**variables, **shared}, loader, known) for name, variables in raw.items()}
    tiers = next((machine.read("tiers") for machine in machines.values()), None) or {}
    found += [*missing_tiers(groups, machines, tiers), *wrong_rules(machines, tiers), *wrong_policy(machines)]
    found += [*unknown_keys(machines, declared), *bad_secrets(machines), *wrong_balancing(machines)]
    found += [*wrong_tls(machines), *wrong_machine_tls(machines), *wrong_public_side(groups, machines)]
    found += [*demo_users_outside_the_lab(machines)]
    if not found:  # each problem above breaks every template that depends on it
        found += broken_values(machines, declared)
    return list(dict.fromkeys(problem.strip() for problem in found))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"inventory_problems": inventory_problems}
