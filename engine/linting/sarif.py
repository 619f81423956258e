"""Findings as SARIF 2.1.0, the form in which code hosts and editors take them: OASIS, 2020."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from weft.engine.linting.findings import LintFinding
from weft.engine.linting.rules import LintRule, Severity

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def sarif(
    rules: Sequence[LintRule],
    found: Sequence[tuple[str, LintFinding]],
    failures: Sequence[tuple[str, str]],
    version: str,
) -> dict[str, Any]:
    """The log of one run of these rules: findings by file, and the files that could not be looked at, with the reason.

    Columns are those of Unicode characters.
    """
    index = {rule.code: number for number, rule in enumerate(rules)}
    driver = {"name": "weft", "version": version, "rules": [_rule(rule) for rule in rules]}
    told = [
        {"level": "error", "message": {"text": why}, "locations": [{"physicalLocation": _file(name)}]}
        for name, why in failures
    ]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "invocations": [{"executionSuccessful": not told, "toolExecutionNotifications": told}],
                "results": [_result(name, finding, index[finding.rule.code]) for name, finding in found],
            }
        ],
    }


def _rule(rule: LintRule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(name: str, finding: LintFinding, number: int) -> dict[str, Any]:
    issue = finding.issue
    place: dict[str, Any] = _file(name)
    if issue.spot is not None and issue.spot.line:
        place["region"] = {"startLine": issue.spot.line, "startColumn": issue.spot.column}
    location: dict[str, Any] = {"physicalLocation": place}
    if issue.node_id is not None:
        location["logicalLocations"] = [{"name": issue.title or issue.node_id, "fullyQualifiedName": issue.node_id}]
    return {
        "ruleId": finding.rule.code,
        "ruleIndex": number,
        "level": _LEVELS[finding.rule.severity],
        "message": {"text": str(issue)},
        "locations": [location],
    }


def _file(name: str) -> dict[str, Any]:
    """A file as an artifact: a relative path is a relative URI."""
    path = PurePath(name)
    return {"artifactLocation": {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())}}
