"""Certificates can be made, issued or read as the inventory says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from ansible.errors import AnsibleError
from preflight.certificate import wrong_certificate
from preflight.machine import Machine, Machines, nearest

TLS = ("off", "lab_ca", "acme", "provided")
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org"


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
