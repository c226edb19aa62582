"""What is measured: each arm is one kind of request on one way, from one machine of the lab."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie

from lab.machines import Box, Lab


@dataclass(frozen=True)
class Arm:
    """One kind of request.

    Attributes:
        name: shown in the report.
        generator: the machine that sends the requests.
        url: as the generator reaches it.
        counted: the machines whose daemons' processor time is counted.
        cookie: the Cookie header, if any.
        body: JSON to post, if any; by default it is GET.
    """

    name: str
    generator: Box
    url: str
    counted: list[Box]
    cookie: str = field(default="", repr=False)
    body: str = field(default="", repr=False)


def arms(lab: Lab) -> Iterator[Arm]:
    """Yield the arms: every backend alone, as a frontend reaches it, then the whole site, as a user does.

    Backends may differ in a setting, such as `app_worker`: then these arms compare it.
    """
    frontend, client = lab.tier("frontends")[0], lab.tier("clients")[0]
    backends, stores = lab.tier("backends"), [*lab.tier("redis"), *lab.tier("mysql")]
    user = backends[0].role("app")["app_demo_users"][0]
    body = json.dumps({"usuario": user["usuario"], "senha": user["senha"]})
    for backend in backends:
        url = f"http://{backend.address}:{backend.role('app')['app_port']}"
        cookie = log_in(frontend, url, body)
        for path in ("/perfil", "/status"):
            yield Arm(f"{path} on {backend.name}", frontend, url + path, [backend, *stores], cookie)
    everything = [*lab.tier("frontends"), *backends, *stores]
    cookie = log_in(client, lab.site_url, body)
    for path in ("/perfil", "/status", "/"):
        yield Arm(f"{path} on the site", client, lab.site_url + path, everything, cookie)
    yield Arm("/login on the site", client, lab.site_url + "/login", everything, body=body)


def log_in(generator: Box, url: str, body: str) -> str:
    """Log in; return the Cookie header of the session."""
    command = "curl --silent --insecure --fail --output /dev/null --dump-header - --json %s %s/login"
    for line in generator.output(command, body, url).splitlines():
        name, _, value = line.partition(": ")
        if name.lower() == "set-cookie":
            return "; ".join(f"{key}={morsel.value}" for key, morsel in SimpleCookie(value).items())
    raise AssertionError(f"{url}/login set no cookie")
