"""The option --extra-vars of the suites that test a running lab (tests/conftest.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader


def extra_vars(config: pytest.Config) -> dict[str, Any]:
    """The variables that the lab was provisioned with besides its inventory's."""
    path = config.getoption("extra_vars")
    return dict(DataLoader().load_from_file(str(Path(path).resolve()), trusted_as_template=True)) if path else {}
