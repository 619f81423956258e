"""`weft fmt`: workflows in their canonical form."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.errors import Spot, UnreadableWorkflow, UsageError
from weft.engine.formats.sources import NAME_OF_STDIN, STDIN, SourceFile, open_file
from weft.engine.terminal.answer import Answer, answering
from weft.engine.terminal.files import FileReport, look_at_all
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import FilesArgument, JsonOption, ObjectInfoOption, SkipOthersOption, taking_settings
from weft.engine.terminal.streams import Line
from weft.engine.wholefiles import write_whole

if TYPE_CHECKING:
    from weft.engine.schema.registry import Registry

EPILOG = (
    "Exit codes: 0 done, 1 with --check or --diff: something is not in its canonical form, 2 usage or a file that "
    "cannot be read.\n\nExamples:\n\nweft fmt portrait.json\n\nweft fmt --check workflows/\n\n"
    "weft fmt --diff portrait.api.json\n\nweft fmt - < portrait.json"
)
CheckOption = Annotated[bool, typer.Option("--check", help="Write nothing; say which files would be written anew.")]
DiffOption = Annotated[bool, typer.Option("--diff", help="Write nothing; show what would change, line by line.")]


app = one_command()


@app.command(epilog=EPILOG)
@taking_settings("fmt", before="object_info", switches_before="check")
def fmt(
    context: typer.Context,
    files: FilesArgument,
    object_info: ObjectInfoOption = None,
    check: CheckOption = False,
    diff: DiffOption = False,
    skip_others: SkipOthersOption = False,
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Write workflows in their canonical form, in place: the same order, layout and numbers, and no value changed.

    Of an API export the inputs go in the order of their classes, as far as these are here.
    """
    with answering(context.obj, as_json=as_json) as answer:
        from weft.engine.terminal.classes import classes_for_files

        formatter = Formatter(answer, classes_for_files(settings, object_info, answer.notice), check=check, diff=diff)
        if files == [STDIN] and not (check or diff):
            answer.out.write(formatter.format(open_file(STDIN)))
            return
        look_at_all(answer, files, formatter.look, skip_others=skip_others)


@dataclass(frozen=True)
class Formatter:
    """How workflows are formatted: by which classes, and whether they are written or only looked at."""

    answer: Answer
    registry: Registry
    check: bool = False
    diff: bool = False

    def look(self, file: SourceFile) -> FileReport:
        """Format one file. Raises UnreadableWorkflow for a picture, UsageError where it cannot be written."""
        text = self.format(file)
        content = text.encode()
        if file.name != NAME_OF_STDIN and Path(file.name).read_bytes() == content:
            return FileReport("as it should be", data={"status": "unchanged"})
        if file.name == NAME_OF_STDIN and file.text == text:
            return FileReport("as it should be", data={"status": "unchanged"})
        if self.diff and not self.answer.as_json:
            for line in _changes(file, text):
                self.answer.out.line(*line)
        if self.check or self.diff or file.name == NAME_OF_STDIN:
            found = [] if self.diff else [(Spot(file.name), ["not in its canonical form"])]
            return FileReport("to be formatted", 1, found, data={"status": "to be formatted"})
        try:
            write_whole(Path(file.name), content)
        except OSError as error:
            raise UsageError(f"cannot write {file.name}: {error.strerror}") from error
        return FileReport("formatted", findings=[(Spot(file.name), ["formatted"])], data={"status": "formatted"})

    def format(self, file: SourceFile) -> str:
        """The canonical text of a file."""
        from weft.engine.formats.canonical import formatted

        if not file.text:
            hint = "weft convert takes the workflow out of it"
            raise UnreadableWorkflow(f"{file.name} is no JSON file: what it carries is not written anew", hint=hint)
        return formatted(file.text, file.name, self.registry)


def _changes(file: SourceFile, text: str) -> Iterator[Line]:
    """What would change, as diff says it."""
    styles = {"+": "green", "-": "red", "@": "cyan"}
    old, new = file.text.splitlines(), text.splitlines()
    for line in difflib.unified_diff(old, new, file.name, file.name, lineterm=""):
        yield [(line, "bold" if line.startswith(("+++ ", "--- ")) else styles.get(line[:1], ""))]
