"""`weft lint`: its options, and what it says of its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.errors import UsageError
from weft.engine.formats.sources import STDIN
from weft.engine.terminal.answer import Answer, answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.linting import COLOURS, Linter
from weft.engine.terminal.options import (
    JsonOption,
    ObjectInfoOption,
    SkipOthersOption,
    UiOption,
    taking_settings,
)

if TYPE_CHECKING:
    from weft.engine.linting.rules import LintRule

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


app = one_command()


@app.command(epilog=EPILOG)
@taking_settings("plan", "models", "input", before="select", switches_before="ui")
def lint(
    context: typer.Context,
    files: LintFilesArgument = None,
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
        session = Session(object_info=object_info, **settings, warn=answer.notice)
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
        severity = (f"{rule.severity.value:8}", COLOURS[rule.severity.value])
        mark = [(" [--fix]", "green")] if rule.fixes else []
        answer.out.line((rule.code, "bold"), "  ", severity, f"{rule.name:{wide}}  {rule.summary}", *mark)
        if whole:
            answer.out.line(f"\n{rule.why}\n\ndocs/lint.md shows it, and how it is mended.")
