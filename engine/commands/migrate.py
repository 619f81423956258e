"""`weft migrate`: saves of older editors and node packs in today's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.envelopes import is_workflow
from weft.engine.errors import Spot, UnreadableWorkflow, UsageError
from weft.engine.formats.sources import STDIN, SourceFile, open_file
from weft.engine.formats.workflow import Workflow
from weft.engine.terminal.answer import answering
from weft.engine.terminal.files import FileReport, is_several, look_at_all
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import FilesArgument, JsonOption, ObjectInfoOption, SkipOthersOption, taking_settings
from weft.engine.terminal.words import issue_line
from weft.engine.wholefiles import write_whole
from weft.engine.workflow.prompt import Prompt, read_json

if TYPE_CHECKING:
    from weft.engine.schema.registry import Registry

EPILOG = (
    "Exit codes: 0 done, 1 with --check: something is of an older form, 2 usage or a file that cannot be read, 3 a "
    "save that cannot be migrated.\n\nExamples:\n\nweft migrate old.json\n\nweft migrate old.png -o portrait.json\n\n"
    "weft migrate --check workflows/"
)
CheckOption = Annotated[bool, typer.Option("--check", help="Write nothing; say what would be migrated.")]
OutputFileOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Write to this file, not in place."),
]


app = one_command()


@app.command(epilog=EPILOG)
@taking_settings("migrate", before="object_info", switches_before="check")
def migrate(
    context: typer.Context,
    files: FilesArgument,
    file: OutputFileOption = None,
    object_info: ObjectInfoOption = None,
    check: CheckOption = False,
    skip_others: SkipOthersOption = False,
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Write the editor's saves in today's form, in place; what would run is the same, node by node.

    Group nodes become subgraphs, values of older versions of a class stand where they stand now, classes have their new
    names. A save that is in today's form stays as it is, and so does one that cannot be migrated.
    """
    with answering(context.obj, as_json=as_json) as answer:
        from weft.engine.terminal.classes import classes_for_files

        if file is not None and (is_several(files) or check):
            raise UsageError("--output goes with one file, and without --check")
        migrator = Migrator(classes_for_files(settings, object_info, answer.notice), check, file)
        if files == [STDIN] and file is None and not check:
            answer.out.write(migrator.migrated(open_file(STDIN))[0])
            return
        look_at_all(answer, files, migrator.look, skip_others=skip_others)


@dataclass(frozen=True)
class Migrator:
    """How saves are migrated: by which classes, whether they are written, and where, if not in place."""

    registry: Registry
    check: bool = False
    file: Path | None = None

    def look(self, file: SourceFile) -> FileReport:
        """Migrate one save. Raises InvalidWorkflow where it cannot be, UsageError where it cannot be written."""
        if isinstance(file.workflow, Prompt) and file.text and self.file is None:
            return FileReport("as it should be", data={"status": "unchanged"})
        if not file.text and self.file is None:
            hint = "-o FILE writes the save that it carries to a file of its own"
            raise UnreadableWorkflow(f"{file.name} is no JSON file: what it carries is not written anew", hint=hint)
        if self.file is None and not is_workflow(read_json(file.text, file.name)):
            hint = "-o FILE writes it to a file of its own"
            raise UnreadableWorkflow(f"{file.name}: the save is wrapped in something else", hint=hint)
        text, found = self.migrated(file)
        if not found and self.file is None:
            return FileReport("as it should be", data={"status": "unchanged"})
        if not self.check:
            try:
                write_whole(self.file or Path(file.name), text.encode())
            except OSError as error:
                raise UsageError(f"cannot write {self.file or file.name}: {error.strerror}") from error
        word = "to be migrated" if self.check else "migrated" if found else "written"
        data = {"status": word, "changes": [issue.to_json() for issue in found]}
        return FileReport(word, int(self.check), [(Spot(file.name), issue_line(each)) for each in found], data=data)

    def migrated(self, file: SourceFile) -> tuple[str, list[Any]]:
        """The text of a save in today's form, and what was done. Raises InvalidWorkflow where it cannot be."""
        from weft.engine.formats.canonical import formatted
        from weft.engine.formats.migrating import migrated

        found = migrated(_save(file), self.registry)
        done = [*found.done]
        if not done and file.text and self.file is None:
            return file.text, done
        return formatted(json.dumps(found.document), file.name, self.registry), done


def _save(file: SourceFile) -> Workflow:
    """The editor's save in a file; of a picture, beside the prompt that ran."""
    if isinstance(file.workflow, Workflow):
        return file.workflow
    saved = file.workflow.extra_pnginfo.get("workflow")
    if file.text or not is_workflow(saved):
        hint = "weft convert --to ui makes a save of it"
        raise UnreadableWorkflow(f"{file.name} holds a prompt in API format, which has no older form", hint=hint)
    return Workflow.parse(saved)
