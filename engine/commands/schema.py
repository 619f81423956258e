"""`weft schema`: a JSON Schema of workflows, for editors and validators."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.engine.collector import collector_paused
from weft.engine.errors import UsageError, did_you_mean
from weft.engine.terminal.answer import answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import InputOption, ModelsOption, ObjectInfoOption, taking_settings

EPILOG = (
    "Examples:\n\n"
    "weft schema > weft.schema.json\n\n"
    "weft schema --files --models ~/models -o weft.schema.json\n\n"
    "weft schema --format ui > weft.ui.schema.json\n\n"
    "What an editor does with it: docs/authoring.md."
)
FORMATS = ("api", "ui")


app = one_command()


@app.command(epilog=EPILOG)
@taking_settings("schema", before="object_info", switches_before="unknown")
def schema(
    context: typer.Context,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="api: what one writes by hand; ui: what the editor saves.")
    ] = "api",
    files: Annotated[
        bool, typer.Option("--files", help="Make choices of the model and input files that are there now.")
    ] = False,
    unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Let nodes of classes be that are not known here, with any inputs.")
    ] = False,
    models: ModelsOption = None,
    input: InputOption = None,
    object_info: ObjectInfoOption = None,
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Write to this file, not to stdout."),
    ] = None,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Write a JSON Schema (2020-12) of workflows of the installed node classes: editors complete and check by it.

    It knows inputs, types, ranges and choices of each class. Where links lead and what type comes by them no schema
    can see: weft validate does.
    """
    with answering(context.obj) as answer, collector_paused():
        from weft.engine.describing.prompts import prompt_schema
        from weft.engine.terminal.classes import known_classes
        from weft.engine.wholefiles import write_whole

        if form not in FORMATS:
            raise UsageError(f"unknown format {form!r}: expected api or ui", hint=did_you_mean(form, FORMATS))
        if form == "ui" and (files or unknown):
            raise UsageError("--files and --allow-unknown are about the API format", hint="leave them out")
        registry, folders, _ = known_classes(
            settings,
            models=models,
            input=input,
            object_info=object_info,
            warn=answer.notice,
            warn_of_packs=answer.notice,
        )
        nodes = [node for one in registry.schemas(answer.notice) if (node := registry.find(one.class_type)) is not None]
        if form == "ui":
            from weft.engine.describing.saves import workflow_schema

            document = workflow_schema(nodes)
        else:
            document = prompt_schema(nodes, folders=folders if files else None, unknown=unknown)
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
        if file is None:
            answer.out.write(text)
            return
        try:
            write_whole(file, text.encode())
        except OSError as error:
            raise UsageError(f"cannot write {file}: {error.strerror}") from error
