"""Kill ansible-playbook and its child processes at the first task that uses a given module."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: cut_off
type: aggregate
short_description: Kills the run at a module
description: Kills the run at the first task of the module that CUT_OFF_AT names, as a power failure would.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "cut_off"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if task.action == os.environ["CUT_OFF_AT"]:
            os.killpg(0, signal.SIGKILL)
