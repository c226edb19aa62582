"""Runs the page's own JavaScript, without a browser."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from playwright._impl._driver import compute_driver_executable

from lab.inventory import ROOT

NODE = compute_driver_executable()[0]  # Playwright's own


def run_script(script: str, argument: Any) -> Any:
    """The value of `result` at the end of a script; `argument` is its input, and `{assets}` the URL of the scripts."""
    assets = (ROOT / "app/web/assets").as_uri()
    before = 'import { readFileSync } from "node:fs"; const argument = JSON.parse(readFileSync(0, "utf8"));'
    program = "\n".join([before, script.replace("{assets}", assets), "console.log(JSON.stringify(result));"])
    command = [NODE, "--input-type=module", "--eval", program]
    done = subprocess.run(command, input=json.dumps(argument), capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
