"""`weft diff`: what differs in meaning between two workflows, two folders of them, or two versions that git has."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.errors import UnreadableWorkflow, UsageError, WeftError, one_line
from weft.engine.formats.sources import STDIN, name_of, open_file
from weft.engine.terminal.answer import Answer, answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import JsonOption, ObjectInfoOption, UiOption, taking_settings
from weft.engine.terminal.words import error_json, explain
from weft.engine.wholefiles import write_whole

if TYPE_CHECKING:
    from weft.engine.comparing.layouts import LayoutDifference
    from weft.engine.comparing.workflows import DiffSide, WorkflowDiff
    from weft.engine.schema.registry import Registry

EPILOG = (
    "Exit codes: 0 the same, 1 different, 2 usage or a file that cannot be read, 3 a workflow that is broken.\n\n"
    "Examples:\n\nweft diff yesterday.json today.json\n\nweft diff portrait.png portrait.json --json\n\n"
    "weft diff yesterday.json today.json --html changes.html\n\n"
    "weft diff workflows/ ~/backup/workflows/\n\n"
    "git config diff.weft.command 'weft diff --git'; echo '*.json diff=weft' >> .gitattributes; git diff"
)

_GIT = (7, 9)
"""How many arguments git gives: path, old file, hex and mode, new file, hex and mode; of a renamed one two more."""
_NOWHERE = (os.devnull, "/dev/null", "nul")

PathsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="A B",
        help="Two workflows: the editor's own save, an API export, a picture that carries one, - for standard input; "
        "or two folders, whose .json files are compared by name.",
    ),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", dir_okay=False, help="Also write a page of both graphs, with what differs marked."
    ),
]
LayoutOption = Annotated[
    bool,
    typer.Option(
        "--layout", help="Also say what looks otherwise: titles; of two saves places, colours, groups and notes."
    ),
]
GitOption = Annotated[
    bool, typer.Option("--git", help="Be git's diff command: take the seven arguments that git gives, and end in 0.")
]
TextconvOption = Annotated[
    bool,
    typer.Option(
        "--textconv", help="Write one workflow as lines that change only with its meaning, for git's textconv."
    ),
]


app = one_command()


@app.command(epilog=EPILOG)
@taking_settings("diff", before="object_info", switches_before="ui")
def diff(
    context: typer.Context,
    paths: PathsArgument,
    html: HtmlOption = None,
    object_info: ObjectInfoOption = None,
    ui: UiOption = False,
    layout: LayoutOption = False,
    git: GitOption = False,
    textconv: TextconvOption = False,
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Say what differs between two workflows in meaning: nodes are matched by what they are and where they stand.

    Ids, positions and the order of nodes are no difference, nor is it one whether a workflow is the editor's save or an
    API export.
    """
    with answering(context.obj, as_json=as_json) as answer:
        from weft.engine.terminal.classes import classes_for_files

        if html is not None and (git or textconv or any(map(os.path.isdir, paths))):
            raise UsageError("--html goes with two files")
        expected = 1 if textconv else 2
        if not git and len(paths) != expected:
            raise UsageError(f"expected {expected} file{'s' if expected > 1 else ''}, got {len(paths)}")
        registry = classes_for_files(settings, object_info, answer.notice)
        differ = Differ(registry, ui, layout)
        if git:
            _tell_git(answer, paths, differ)
        elif textconv:
            _list(answer, paths[0], differ)
        else:
            _tell(answer, paths[0], paths[1], differ, html)


@dataclass(frozen=True)
class Differ:
    """How workflows are compared: with which classes; with `ui`, of a picture the editor's workflow counts.

    `layout` says whether what looks otherwise is a difference, too; `now` is what `%date%` in the names of files means
    on both sides.
    """

    registry: Registry
    ui: bool = False
    layout: bool = False
    now: datetime = field(default_factory=datetime.now)

    def side(self, path: str, name: str = "") -> DiffSide:
        """The workflow in a file, called `name`. Raises UnreadableWorkflow, InvalidWorkflow."""
        from weft.engine.comparing.workflows import DiffSide

        if path in _NOWHERE:
            return DiffSide(name or path)
        name = name or name_of(path)
        loaded = open_file(path, ui=self.ui).workflow
        try:
            return DiffSide.of(name, loaded, self.registry, self.now)
        except WeftError as error:
            error.message = f"{name}: {error.message}"
            raise

    def diff(self, before: DiffSide, now: DiffSide) -> WorkflowDiff:
        """What differs between two."""
        from weft.engine.comparing.workflows import diff_workflows

        return diff_workflows(before, now, self.registry)

    def looks(self, found: WorkflowDiff) -> list[LayoutDifference]:
        """What looks otherwise, if that is asked for."""
        if not self.layout:
            return []
        from weft.engine.comparing.layouts import layout_differences

        return list(layout_differences(found, self.registry))

    def tell(self, answer: Answer, found: WorkflowDiff) -> tuple[dict[str, Any], int]:
        """Say what differs between two, unless as JSON: the record that then says it, and the exit code."""
        from weft.engine.terminal.differences import unknown

        if classes := unknown(found, self.registry):
            named = ", ".join(map(repr, classes))
            answer.notice(f"what was saved of nodes of classes that are not known here is compared: {named}")
        looks = self.looks(found)
        if not answer.as_json and (found.differs or not looks):
            _write(answer, found)
        for each in looks if not answer.as_json else ():
            ids = " -> ".join(dict.fromkeys(filter(None, (each.old, each.new))))
            answer.out.line(("layout: ", "cyan"), one_line(f"node {ids}: {each.text}" if ids else each.text))
        record = found.to_json()
        if self.layout:
            record["layout"] = [each._asdict() for each in looks]
            record["status"] = "differ" if looks else record["status"]
        return record, int(found.differs or bool(looks))


def _tell(answer: Answer, before: str, now: str, differ: Differ, html: Path | None) -> None:
    if before == now == STDIN:
        raise UsageError("standard input can be read once", hint="weft diff - FILE")
    folders = [path != STDIN and os.path.isdir(path) for path in (before, now)]
    if all(folders):
        _tell_folders(answer, Path(before), Path(now), differ)
        return
    if folders[0] and now != STDIN:
        before = str(Path(before, Path(now).name))
    elif folders[1] and before != STDIN:
        now = str(Path(now, Path(before).name))
    found = differ.diff(differ.side(before), differ.side(now))
    if html is not None:
        from weft.engine.terminal.diffpage import page

        try:
            write_whole(html, page(found, differ.registry).encode())
        except OSError as error:
            raise UsageError(f"cannot write {html}: {error.strerror}") from error
    record, code = differ.tell(answer, found)
    if answer.as_json:
        answer.document(record)
    if code:
        raise SystemExit(code)


def _write(answer: Answer, found: WorkflowDiff) -> None:
    from weft.engine.terminal.differences import lines

    for line in lines(found):
        answer.out.line(*line)


# Folders


def _tell_folders(answer: Answer, before: Path, now: Path, differ: Differ) -> None:
    from weft.engine.terminal.files import worst

    records: list[dict[str, Any]] = []
    codes: list[int] = []
    for name in sorted({*_workflows(before), *_workflows(now)}):
        record, code = _compared(answer, before, now, name, differ)
        records.append({"file": name, **record})
        codes.append(code)
    if answer.as_json:
        answer.document(
            {"status": "differ" if any(codes) else "same", "files": records, "exit_code": worst(iter(codes))}
        )
    else:
        same = sum(record["status"] == "same" for record in records)
        answer.out.line(f"{len(records)} workflow{'s' if len(records) != 1 else ''}, {same} the same")
    if any(codes):
        raise SystemExit(worst(iter(codes)))


def _workflows(folder: Path) -> Iterator[str]:
    """The workflows in a folder and below, by their path in it."""
    from weft.engine.terminal.files import files, read_file

    try:
        named = list(files([str(folder)]))
    except UsageError:  # it has none
        return
    for file in named:
        try:
            found = read_file(file) is not None
        except UnreadableWorkflow:
            found = True
        if found:
            yield Path(file.name).relative_to(folder).as_posix()


def _compared(answer: Answer, before: Path, now: Path, name: str, differ: Differ) -> tuple[dict[str, Any], int]:
    """What is said of one file of two folders, and its exit code."""
    for there, other in ((before, now), (now, before)):
        if not (other / name).exists():
            if not answer.as_json:
                answer.out.line((f"only in {there}: {name}", "yellow"))
            return {"status": "differ", "only_in": str(there)}, 1
    try:
        found = differ.diff(differ.side(str(before / name)), differ.side(str(now / name)))
    except WeftError as error:
        for line in explain(error) if not answer.as_json else ():
            answer.err.line(*line)
        return {"status": "error", **error_json(error)}, error.exit_code
    if not found.differs and not differ.looks(found):
        return found.to_json(), 0
    return differ.tell(answer, found)


# git


def _tell_git(answer: Answer, arguments: Sequence[str], differ: Differ) -> None:
    """Answer as git's diff command does, which ends in 0: git takes everything else for a failure of its own."""
    answer.out.paged = "GIT_PAGER_IN_USE" in os.environ
    if len(arguments) == 1:
        answer.out.line((f"* {arguments[0]} is not merged", "bold"))
        return
    if len(arguments) not in _GIT:
        raise UsageError(
            f"--git takes the {_GIT[0]} or {_GIT[1]} arguments that git gives, got {len(arguments)}",
            hint="git config diff.weft.command 'weft diff --git'",
        )
    path, old, new = arguments[0], arguments[1], arguments[4]
    renamed = arguments[7] if len(arguments) > 7 else path
    names = [_NOWHERE[1] if old in _NOWHERE else f"a/{path}", _NOWHERE[1] if new in _NOWHERE else f"b/{renamed}"]
    try:
        _write(answer, differ.diff(differ.side(old, names[0]), differ.side(new, names[1])))
    except WeftError as error:
        reason = error.message.removeprefix(f"{old}: ").removeprefix(f"{new}: ")
        answer.err.line(("note: ", "yellow"), f"{path} is compared line by line: {reason}")
        _as_text(answer, (old, new), names)


def _as_text(answer: Answer, files: Sequence[str], names: Sequence[str]) -> None:
    """Compare, line by line, files that hold no workflow."""
    old, new = (Path(file).read_bytes().decode(errors="replace").splitlines() for file in files)
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in difflib.unified_diff(old, new, names[0], names[1], lineterm=""):
        style = "bold" if line.startswith(("+++", "---")) else styles.get(line[:1], "")
        answer.out.line((line, style))


def _list(answer: Answer, path: str, differ: Differ) -> None:
    from weft.engine.comparing.listing import listing

    try:
        nodes = differ.side(path).nodes
    except WeftError:
        # git asks for some text of every file, whatever is in it.
        answer.out.write(Path(path).read_bytes().decode(errors="replace"))
        return
    answer.out.write("".join(f"{line}\n" for line in listing(nodes)))
