"""The OpenAPI document: all routes, and nothing that is none."""

from __future__ import annotations

import re
from typing import Any

import pytest

from weft.engine.serving.app import routes
from weft.engine.serving.openapi import TOLD, document

from .talk import Client

DOCUMENT = document(routes(), "1.2.3")
OPERATIONS = [(method, path, each) for path, item in DOCUMENT["paths"].items() for method, each in item.items()]


def test_each_route_is_an_operation_that_says_what_it_does() -> None:
    assert {(method.upper(), path) for method, path, _ in OPERATIONS} == {
        (route.method, route.path) for route in routes()
    }
    for method, path, operation in OPERATIONS:
        assert re.fullmatch(r"[A-Z].+\.", operation["summary"]), (method, path)
    identifiers = [operation["operationId"] for *_, operation in OPERATIONS]
    assert len(set(identifiers)) == len(identifiers)


def test_what_is_told_of_a_route_is_of_one_that_there_is() -> None:
    there = {(route.method, route.path) for route in routes()}
    assert set(TOLD) <= there
    # Whoever posts something is told what.
    assert {each for each in there if each[0] == "POST"} <= {
        each for each, told in TOLD.items() if told.body is not None
    }


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_an_operation_is_well_formed(method: str, path: str, operation: dict[str, Any]) -> None:
    assert set(operation) <= {"operationId", "summary", "parameters", "requestBody", "responses"}
    named = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
    assert named == re.findall(r"\{(\w+)\}", path)
    for each in operation["parameters"]:
        assert each["schema"]["type"] in ("string", "integer", "number", "boolean")
        assert each["in"] in ("path", "query") and each.get("required", False) is (each["in"] == "path")
    assert all(
        re.fullmatch(r"[1-5]\d\d", status) and answer["description"]
        for status, answer in operation["responses"].items()
    )
    assert ("requestBody" in operation) is (method == "post")


def test_a_server_gives_it(alone: Client) -> None:
    found = alone.get("/openapi.json")
    assert found["openapi"] == "3.1.0"
    assert found["paths"] == DOCUMENT["paths"]
    assert alone.get("/api/openapi.json") == found
