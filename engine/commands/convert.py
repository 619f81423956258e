"""`weft convert`: workflows from one form into another, or into a program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.engine.errors import UsageError, did_you_mean
from weft.engine.terminal.answer import answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import (
    ObjectInfoOption,
    UiOption,
    WorkflowArgument,
    taking_settings,
)

PYTHON = "python"
"""What it makes beside the formats of workflows."""

app = one_command()


@app.command(
    epilog="Examples:\n\nweft convert portrait.json > portrait.api.json\n\n"
    "weft convert portrait.api.json --to ui -o portrait.json\n\n"
    "weft convert portrait.json --to python -o portrait.py\n\n"
    "weft convert portrait.json --object-info object_info.json"
)
@taking_settings("convert", before="object_info")
def convert(
    context: typer.Context,
    workflow: WorkflowArgument,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="api: what the server takes; ui: what the editor opens; python: the program that builds it.",
        ),
    ] = "api",
    file: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Write to this file, not to stdout."),
    ] = None,
    ui: UiOption = False,
    object_info: ObjectInfoOption = None,
    keep_unknown: Annotated[
        bool,
        typer.Option("--keep-unknown", help="Convert nodes of unknown classes by what was saved of them."),
    ] = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Turn a workflow into API format, as ComfyUI's editor does, or an API export into a workflow for the editor.

    Or either into a Python program that builds the same graph. Workflows come in the canonical form of `weft fmt`.
    Seeds are never changed. What cannot be kept is warned about on stderr.
    """
    with answering(context.obj) as answer:
        from weft.engine.formats.canonical import formatted
        from weft.engine.formats.sources import name_of
        from weft.engine.session import FORMATS, Session
        from weft.engine.wholefiles import write_whole

        if to not in (*FORMATS, PYTHON):
            near = did_you_mean(to, (*FORMATS, PYTHON))
            raise UsageError(f"unknown format {to!r}: expected api, ui or {PYTHON}", hint=near)
        session = Session(object_info=object_info, **settings, warn=answer.notice)
        if to == PYTHON:
            from weft.engine.building.script import program

            text, notes = program(session, workflow, ui=ui, object_info=object_info)
        else:
            document, notes = session.convert(workflow, to, ui=ui, keep_unknown=keep_unknown)
            text = formatted(json.dumps(document), name_of(workflow), session.registry)
        for note in notes:
            answer.warn(str(note))
        if file is None:
            answer.out.write(text)
        else:
            try:
                write_whole(file, text.encode())
            except OSError as error:
                raise UsageError(f"cannot write {file}: {error.strerror}") from error
