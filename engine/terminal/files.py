"""Many files at once: what `validate`, `lint`, `fmt` and `diff` are given, what they say of each, and of all of them.

A command looks at one workflow at a time (`look`) and returns a FileReport; `look_at_all` reads the files, writes the
findings as `file:line:column: text`, a summary, or one JSON document, and ends in the worst exit code.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from weft.engine.envelopes import is_node, is_workflow, opened
from weft.engine.errors import InvalidWorkflow, Issue, Spot, UnreadableWorkflow, UsageError, WeftError
from weft.engine.formats.sources import STDIN, SourceFile, open_file
from weft.engine.terminal.answer import Answer
from weft.engine.terminal.streams import Line
from weft.engine.terminal.words import error_json, hint_of, issue_line
from weft.engine.workflow.prompt import MAX_BYTES, decoded, read_json

_WORST = (0, 1, 4, 3, 2)
"""Exit codes, the worst last: fine, findings, nothing but files missing, invalid, no workflow that can be read."""

_WORDS = ('"class_type"', '"last_node_id"', '"lastNodeId"', '"widgets_values"')
"""One of these is in every text that is meant as a workflow."""


class Named(NamedTuple):
    """A file to look at; `meant` says whether it must hold a workflow: it was named, not found in a folder."""

    name: str
    meant: bool = True


@dataclass(frozen=True)
class FileReport:
    """What a command has to say of one workflow.

    `word` is the verdict in one word, `code` its exit code; `findings` are in the order in which they are written;
    `hint` is about all of them; `data` is what --json says of the file beside its name.
    """

    word: str
    code: int = 0
    findings: Sequence[tuple[Spot, Line]] = ()
    hint: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


Look = Callable[[SourceFile], FileReport]
"""Looks at one workflow. What it raises that is about the workflow becomes a FileReport (`failed`)."""

Document = Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Any]]
"""What all files' data, each with its `file`, are as one document."""


def files(names: Sequence[str], *, skip_others: bool = False) -> Iterator[Named]:
    """The files that are named, and those in the folders that are; each once. Raises UsageError for an empty folder."""
    seen: set[str] = set()
    for name in names:
        if name == STDIN or not os.path.isdir(name):
            found = [Named(name, not skip_others)]
        else:
            found = [Named(str(file), False) for file in _below(Path(name))]
            if not found:
                raise UsageError(f"no .json file is in {name} or below it")
        for file in found:
            if file.name not in seen:
                seen.add(file.name)
                yield file


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
        yield from (Path(place, name) for name in sorted(names) if name.endswith(".json"))


def is_several(names: Sequence[str]) -> bool:
    """Whether a command that is given these answers for several files: where a folder is named, too."""
    return len(names) != 1 or (names[0] != STDIN and os.path.isdir(names[0]))


def read_file(file: Named, *, ui: bool = False) -> SourceFile | None:
    """The workflow in a file; None where it holds none, and need not. Raises UnreadableWorkflow."""
    if file.meant or not file.name.endswith(".json"):
        return open_file(file.name, ui=ui)
    try:
        with open(file.name, "rb") as stream:
            text = decoded(stream.read(MAX_BYTES + 1), file.name)
    except (OSError, UnreadableWorkflow):
        return None if os.path.exists(file.name) else open_file(file.name)
    if len(text) > MAX_BYTES or not any(word in text for word in _WORDS):
        return None
    try:
        inner = opened(read_json(text, file.name)).document
    except UnreadableWorkflow as error:
        return open_file(file.name) if error.at is not None else None
    if not is_workflow(inner) and not (isinstance(inner, Mapping) and any(map(_is_node, inner.values()))):
        return None
    return open_file(file.name, ui=ui)


def _is_node(entry: Any) -> bool:
    return is_node(entry) and isinstance(entry["class_type"], str)


def worst(codes: Iterator[int]) -> int:
    """The exit code of a command whose files have these."""
    return max(codes, key=_WORST.index, default=0)


def failed(error: WeftError, name: str) -> FileReport:
    """What an error says of a file."""
    if isinstance(error, InvalidWorkflow):
        word = "incomplete" if error.exit_code == 4 else "invalid"
        findings = [(issue.spot or Spot(name), issue_line(issue)) for issue in error.shown]
        return FileReport(word, error.exit_code, findings, error.hint, {"status": word, **error_json(error)})
    word = "unreadable" if isinstance(error, UnreadableWorkflow) else "refused"
    spot = error.spot if isinstance(error, UnreadableWorkflow) else None
    line: Line = [error.message.removeprefix(f"{name}: ").removeprefix(f"{name} "), *hint_of(error.hint)]
    return FileReport(word, error.exit_code, [(spot or Spot(name), line)], data={"status": word, **error_json(error)})


def look_at_all(
    answer: Answer,
    names: Sequence[str],
    look: Look,
    *,
    ui: bool = False,
    skip_others: bool = False,
    document: Document | None = None,
) -> None:
    """Look at every file, and say what is found: findings and a summary, or the document of --json, on stdout.

    `document` makes another document of what every file's outcome says. Raises SystemExit with the worst exit code,
    where it is not 0.
    """
    reports: list[FileReport] = []
    records: list[Mapping[str, Any]] = []
    for named in files(names, skip_others=skip_others):
        try:
            file = read_file(named, ui=ui)
            if file is None:
                continue
            report = look(file)
        except WeftError as error:
            report = failed(error, named.name)
        reports.append(report)
        records.append({"file": named.name, **report.data})
        if not answer.as_json:
            _write(answer, named.name, report)
    code = worst(report.code for report in reports)
    if answer.as_json:
        answer.document(document(records) if document is not None else {"files": records, "exit_code": code})
    else:
        answer.out.line(*_summary(reports))
    if code:
        raise SystemExit(code)


def _write(answer: Answer, name: str, report: FileReport) -> None:
    for spot, line in report.findings:
        answer.out.line((f"{spot}: ", "bold"), *line)
    if report.hint:
        answer.out.line((f"{Spot(name)}: ", "bold"), (report.hint, "cyan"))


def _summary(reports: Sequence[FileReport]) -> Line:
    if not reports:
        return ["no workflows"]
    counts = Counter(report.word for report in reports)
    colours = {report.word: "red" if report.code else "green" for report in reports}
    line: list[str | tuple[str, str]] = [f"{len(reports)} workflow{'s' if len(reports) != 1 else ''}: "]
    for number, (word, count) in enumerate(counts.items()):
        line += [*([", "] if number else []), (f"{count} {word}", colours[word])]
    return line


def note_line(issue: Issue) -> Line:
    """What stops nothing, as a finding's text."""
    return [("warning: ", "yellow"), *issue_line(issue)]
