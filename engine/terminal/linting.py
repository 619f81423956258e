"""How workflows are linted and mended, and the findings that other commands tell of beside their own work."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.engine.errors import DefinitionError, Issue, UsageError
from weft.engine.formats.sources import SourceFile
from weft.engine.terminal.answer import Answer
from weft.engine.terminal.words import issue_line

if TYPE_CHECKING:
    from weft.engine.linting.findings import LintFinding
    from weft.engine.linting.rules import LintRule
    from weft.engine.linting.selection import LintSelection
    from weft.engine.session import Session
    from weft.engine.terminal.files import FileReport
    from weft.engine.terminal.streams import Line
    from weft.engine.workflow.prompt import Prompt

COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}
"""Of severities."""


@dataclass
class Linter:
    """How workflows are looked at, and mended if asked for."""

    session: Session
    selection: LintSelection
    answer: Answer
    ui: bool = False
    fix: bool = False
    diff: bool = False

    def __post_init__(self) -> None:
        self.found: list[tuple[str, LintFinding]] = []

    def look(self, file: SourceFile) -> FileReport:
        """What is found in one workflow. With `fix` it is mended, and what is left is what is found."""
        from weft.engine.linting.rules import Severity
        from weft.engine.terminal.files import FileReport

        fixed: Sequence[LintFinding] = ()
        if self.fix or self.diff:
            file, fixed, findings = self._mended(file)
        else:
            findings = self._findings(self._read(file))
        located = zip(findings, file.located([each.issue for each in findings]), strict=True)
        findings = [replace(each, issue=issue) for each, issue in located]
        self.found += [(file.name, each) for each in findings]
        grave = sum(each.rule.severity is not Severity.INFO for each in findings)
        would = self.diff and bool(fixed)
        word = "mended" if fixed and self.fix and not grave else "with findings" if grave else "clean"
        lines = [(each.issue.spot, _line(each)) for each in findings if each.issue.spot is not None]
        data = {
            "status": word,
            "findings": [each.to_json() for each in findings],
            **({"fixed": [each.to_json() for each in fixed]} if self.fix or self.diff else {}),
        }
        return FileReport(word, 1 if grave or would else 0, [] if self.diff else lines, data=data)

    def sarif(self, rules: Sequence[LintRule], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The log of what was found in all files."""
        from importlib.metadata import version

        from weft.engine.linting.sarif import sarif

        failures = [(each["file"], each["message"]) for each in records if "error" in each]
        return sarif(rules, self.found, failures, version("weft"))

    def _read(self, file: SourceFile) -> Prompt:
        return self.session.read(file.workflow, keep_unknown=True)

    def _findings(self, prompt: Prompt) -> list[LintFinding]:
        return self.session.lint(prompt, self.selection)

    def _mended(self, file: SourceFile) -> tuple[SourceFile, Sequence[LintFinding], list[LintFinding]]:
        """The file as it is now, what was mended in it, or with `diff` would be, and what is found in it."""
        from weft.engine.linting.fixing import mended

        found = mended(file, self._read, self._findings, ui=self.ui)
        if found.text == file.text:
            return file, (), list(found.left)
        if self.diff:
            if not self.answer.as_json:
                self.answer.out.write(_unified(file.name, file.text, found.text))
            return file, found.fixed, self._findings(self._read(file))
        _write(Path(file.name), found.text)
        for each in found.fixed if not self.answer.as_json else ():
            self.answer.out.line((f"{file.name}: ", "bold"), ("mended ", "green"), *_line(each, mark=False))
        return replace(file, text=found.text), found.fixed, list(found.left)


def _write(file: Path, text: str) -> None:
    """Replace a workflow's text, in the encoding that it has."""
    from weft.engine.wholefiles import write_whole

    try:
        encoding = json.detect_encoding(file.read_bytes())
        write_whole(file, text.encode(encoding))
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def told(session: Session, prompt: Prompt, answer: Answer, most: int = 5) -> Iterator[Issue]:
    """The gravest findings in a prompt, as notes for a command that is about something else.

    Not those that keep it from running: they are among its issues.
    """
    from weft.engine.linting.findings import worst

    try:
        found = [each for each in worst(session.lint(prompt)) if not each.refused]
    except DefinitionError as error:  # a pack's rules: no reason to stop
        answer.notice(error.message)
        return
    yield from (each.note for each in found[:most])
    if len(found) > most:
        yield Issue("lint", f"{len(found) - most} more findings: weft lint says them")


def _line(finding: LintFinding, *, mark: bool = True) -> Line:
    """A finding; `mark` says of it that --fix mends it, if it does."""
    rule = finding.rule
    said = [(" [--fix]", "green")] if mark and finding.edits else []
    return [(f"{rule.severity.value} {rule.code}: ", COLOURS[rule.severity.value]), *issue_line(finding.issue), *said]


def _unified(name: str, before: str, after: str) -> str:
    found = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), fromfile=name, tofile=name
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found)
