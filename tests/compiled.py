"""Jinja's compiled templates, kept for the whole run: tests evaluate the same variables again and again, and Ansible
compiles each of them each time, which takes half of the time."""

from __future__ import annotations

from typing import Any

import jinja2
from ansible._internal._templating._jinja_bits import _TemplateCompileContext


def keep() -> None:
    """From now on, compile each text once for each kind of environment."""
    compile_anew = jinja2.Environment.compile
    kept: dict[Any, Any] = {}

    def compile_once(environment: jinja2.Environment, source: Any, *arguments: Any, **options: Any) -> Any:
        if not isinstance(source, str):
            return compile_anew(environment, source, *arguments, **options)
        context = _TemplateCompileContext.current(optional=True)
        kind = (type(environment), environment.lexer, context and context.escape_backslashes)
        key = (kind, str(source), arguments, tuple(sorted(options.items())))
        if key not in kept:
            kept[key] = compile_anew(environment, source, *arguments, **options)
        return kept[key]

    jinja2.Environment.compile = compile_once  # type: ignore[assignment,method-assign]
