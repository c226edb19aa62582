"""The user's language, for what the lab says in both."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

Language = Literal["en", "pt"]


def language(environment: Mapping[str, str] | None = None) -> Language:
    """LAB_LANG, or the language of the locale: Portuguese, or English for all others."""
    variables = os.environ if environment is None else environment
    for name in ("LAB_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := variables.get(name):
            return "pt" if value.lower().startswith("pt") else "en"
    return "en"
