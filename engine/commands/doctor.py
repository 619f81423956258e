"""`weft doctor`: what is installed, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from weft.engine.terminal.answer import answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import (
    JsonOption,
    taking_settings,
)

app = one_command()


@app.command(
    epilog="Exit code: 0 nothing is wrong, 1 something is.\n\nExamples:\n\nweft doctor\n\n"
    "weft doctor --devices --models ~/models\n\n"
    "weft doctor --json | jq -r '.facts[] | select(.wrong) | .value'"
)
@taking_settings("doctor", "models", "input", "output", before="devices")
def doctor(
    context: typer.Context,
    devices: Annotated[
        bool, typer.Option("--devices", help="Ask torch for the GPUs, too, in a process of its own: some seconds.")
    ] = False,
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Say what is installed and where things are looked for, and what is wrong with it and how to mend that.

    Versions, folders, models by family (from their headers), node packs, cache and worker.
    """
    with answering(context.obj, as_json=as_json) as answer:
        from weft.engine.commands.daemon import asked
        from weft.engine.terminal.doctor import Doctor, tell

        tell(answer, Doctor(settings, asked("status")).examine(devices=devices))
