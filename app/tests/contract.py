"""The documented routes, `openapi.yml`, and what an answer says that it does not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

FILE = Path(__file__).parents[1] / "openapi.yml"
METHODS = {"get", "post", "delete"}

Documented = tuple[str, str, str, str]
"""Method, path, status, and content type; `-` for an answer without content."""


class Contract:
    """The file as the app has to keep it: what the frontends answer and add is left out."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    @classmethod
    def read(cls) -> "Contract":
        return cls(yaml.safe_load(FILE.read_text()))

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Method, path and description of everything that the app answers."""
        for path, item in self._document["paths"].items():
            for method in METHODS & set(item):
                if item[method].get("x-answered-by") != "frontend":
                    yield method.upper(), path, item[method]

    def documented(self) -> set[Documented]:
        """Every kind of answer of the app."""
        return {
            (method, path, status, content)
            for method, path, operation in self.operations()
            for status, response in self._responses(operation).items()
            for content in response.get("content", {"-": {}})
        }

    def check(self, method: str, path: str, answer: TestResponse) -> Documented:
        """Return which documented answer this is.

        Raises:
            AssertionError: the answer is not documented, or differs from its documentation.
        """
        (operation,) = (found for way, where, found in self.operations() if (way, where) == (method, path))
        status = str(answer.status_code)
        responses = self._responses(operation)
        assert status in responses, f"{method} {path} answers {status}, which is not documented"
        response = responses[status]

        content = (answer.mimetype or "") if answer.data else "-"
        assert content in response.get("content", {"-": {}}), f"{method} {path} {status} has undocumented {content}"
        schema = response.get("content", {}).get(content, {}).get("schema")
        if schema:
            self._validate(answer.json, schema)
        for name, reference in response.get("headers", {}).items():
            header = self._found(reference)
            if header.get("x-answered-by") != "frontend":
                assert name in answer.headers, f"{method} {path} {status} has no {name}"
                self._validate(answer.headers[name], header["schema"])
        return method, path, status, content

    def _responses(self, operation: dict[str, Any]) -> dict[str, Any]:
        found = {status: self._found(response) for status, response in operation["responses"].items()}
        return {status: response for status, response in found.items() if response.get("x-answered-by") != "frontend"}

    def _found(self, item: dict[str, Any]) -> Any:
        """Follow a reference."""
        if "$ref" not in item:
            return item
        target: Any = self._document
        for step in item["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return target

    def _validate(self, value: Any, schema: dict[str, Any]) -> None:
        whole = {"components": self._document["components"], **schema}
        errors = list(Draft202012Validator(whole).iter_errors(value))
        assert not errors, errors[0].message
