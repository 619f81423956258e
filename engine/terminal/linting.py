"""`weft lint`: its options, and what it says; the findings that other commands tell of beside their own work."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.errors import DefinitionError, Issue, UsageError
from weft.engine.formats.sources import STDIN, SourceFile
from weft.engine.terminal.answer import Answer, answering
from weft.engine.terminal.options import (
    InputOption,
    JsonOption,
    ModelsOption,
    ObjectInfoOption,
    SkipOthersOption,
    UiOption,
    taking_settings,
)
from weft.engine.terminal.words import issue_line

if TYPE_CHECKING:
    from weft.engine.linting.findings import LintFinding
    from weft.engine.linting.rules import LintRule
    from weft.engine.linting.selection import LintSelection
    from weft.engine.session import Session
    from weft.engine.terminal.files import FileReport
    from weft.engine.terminal.streams import Line
    from weft.engine.workflow.prompt import Prompt

EPILOG = (
    "Exit codes: 0 nothing, or no more than is good to know; 1 errors or warnings were found (with --diff: something "
    "would be mended); 2 usage or unreadable file; 3 a workflow that cannot be converted.\n\n"
    "A workflow lets a finding be with a note that says `weft: ignore S101` or `weft: ignore S101 node 8: reason`, or "
    'in a node, "_meta": {"weft": {"ignore": ["S101"]}}. weft.toml chooses rules: [lint] select = ["S", "N"], '
    'ignore = ["S107"].\n\n'
    "Examples:\n\nweft lint portrait.json\n\nweft lint workflows/ --select N,S --ignore S107\n\n"
    "weft lint portrait.json --diff\n\nweft lint portrait.json --fix\n\nweft lint workflows/ --sarif > weft.sarif\n\n"
    "weft lint --explain N101"
)
LintFilesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="WORKFLOW...",
        help="Saved workflows in any form, or folders: of these every .json file that is a workflow, at any depth.",
    ),
]
SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="CODES",
        help="The rules that look, by code or its beginning, with commas between them; may be repeated.",
        show_default="those of weft.toml, else all",
    ),
]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="CODES", help="Rules that do not look. The longer of two beginnings counts."),
]
FixOption = Annotated[
    bool,
    typer.Option(
        "--fix",
        help="Mend what can surely be mended: values of inputs, in the files themselves; nothing else in them changes.",
    ),
]
DiffOption = Annotated[
    bool, typer.Option("--diff", help="Show what --fix would change, and change nothing; exit code 1 where it would.")
]
SarifOption = Annotated[bool, typer.Option("--sarif", help="Write a SARIF 2.1.0 log to stdout.")]
RulesOption = Annotated[bool, typer.Option("--rules", help="List the rules.")]
ExplainOption = Annotated[str | None, typer.Option("--explain", metavar="CODE", help="Say what a rule is about.")]

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


@taking_settings("plan", before="select", switches_before="ui")
def lint(
    context: typer.Context,
    files: LintFilesArgument = None,
    models: ModelsOption = None,
    input: InputOption = None,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    ui: UiOption = False,
    object_info: ObjectInfoOption = None,
    skip_others: SkipOthersOption = False,
    fix: FixOption = False,
    diff: DiffOption = False,
    rules: RulesOption = False,
    explain: ExplainOption = None,
    as_json: JsonOption = False,
    as_sarif: SarifOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Find what runs and yet gives another picture than was meant: steps between stages, noise, prompts without effect.

    docs/lint.md shows what each rule is about, and what becomes of a picture.
    """
    with answering(context.obj, as_json=as_json or as_sarif) as answer:
        from weft.engine.linting.findings import rules_of
        from weft.engine.linting.selection import LintSelection
        from weft.engine.session import Session
        from weft.engine.terminal.files import look_at_all

        if sum((fix, diff, as_sarif)) > 1 or (as_json and as_sarif):
            raise UsageError("--fix, --diff and --sarif exclude each other, and --sarif excludes --json")
        session = Session(models=models or None, input=input, object_info=object_info, **settings, warn=answer.notice)
        every = rules_of(session.packs)
        if rules or explain is not None:
            _describe(answer, [rule for rule in every if explain is None or _is(rule, explain, every)], whole=not rules)
            return
        if not files:
            raise UsageError("expected a workflow", hint="weft lint portrait.json, or a folder of them")
        if (fix or diff) and STDIN in files:
            raise UsageError("standard input cannot be mended", hint="weft lint FILE --fix")
        selection = LintSelection.load(select or (), ignore or ())
        selection.of(every)  # refuses codes that are none
        linter = Linter(session, selection, answer, ui=ui, fix=fix, diff=diff)
        document = (lambda records: linter.sarif(every, records)) if as_sarif else None
        look_at_all(answer, files, linter.look, ui=ui, skip_others=skip_others, document=document)


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
    """The gravest findings in a prompt, as notes for a command that is about something else."""
    from weft.engine.linting.findings import worst

    try:
        found = worst(session.lint(prompt))
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
    return [(f"{rule.severity.value} {rule.code}: ", _COLOURS[rule.severity.value]), *issue_line(finding.issue), *said]


def _unified(name: str, before: str, after: str) -> str:
    found = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), fromfile=name, tofile=name
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found)


def _is(rule: LintRule, name: str, every: Sequence[LintRule]) -> bool:
    if not any(name.upper() == each.code or name == each.name for each in every):
        raise UsageError(f"no lint rule {name!r}", hint="weft lint --rules lists them")
    return name.upper() == rule.code or name == rule.name


def _describe(answer: Answer, rules: Sequence[LintRule], *, whole: bool) -> None:
    """Say of rules what they are; `whole`: also what for."""
    if answer.as_json:
        answer.document(
            {
                "rules": [
                    {
                        "code": rule.code,
                        "name": rule.name,
                        "severity": rule.severity.value,
                        "summary": rule.summary,
                        "why": rule.why,
                        "fixes": rule.fixes,
                    }
                    for rule in rules
                ]
            }
        )
        return
    wide = max(len(rule.name) for rule in rules)
    for rule in rules:
        severity = (f"{rule.severity.value:8}", _COLOURS[rule.severity.value])
        mark = [(" [--fix]", "green")] if rule.fixes else []
        answer.out.line((rule.code, "bold"), "  ", severity, f"{rule.name:{wide}}  {rule.summary}", *mark)
        if whole:
            answer.out.line(f"\n{rule.why}\n\ndocs/lint.md shows it, and how it is mended.")
