"""`weft mcp`: the command."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.engine.errors import UsageError
from weft.engine.terminal.answer import answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import PLACES, KeepAliveOption, taking_settings

EPILOG = (
    "A client starts it: docs/mcp.md has the configuration of common ones.\n\n"
    "Examples:\n\nweft mcp --root ~/pictures --models ~/models\n\n"
    "claude mcp add weft -- weft mcp --root ~/pictures --keep-alive 10"
)


app = one_command()


@app.command(epilog=EPILOG)
@taking_settings("mcp", "models", "input", "device", "dtype", before="keep_alive")
def mcp(
    context: typer.Context,
    root: Annotated[
        Path,
        typer.Option(
            metavar="DIR", exists=True, file_okay=False,
            help="The folder of the client's workflows and results: nothing outside of it is read or written, but for "
            "the folders of models and inputs.",
            show_default="the current folder",
        ),
    ] = Path("."),
    keep_alive: KeepAliveOption = None,
    *,
    settings: Mapping[str, Any],
) -> None:  # fmt: skip
    """Serve the Model Context Protocol over stdin and stdout: for programs that write graphs.

    Tools search and describe nodes; validate, lint, plan, convert, compare, draw and run workflows; show pictures.
    """
    wire = sys.stdout  # the protocol's alone: the server sends what anybody prints to stderr
    with answering(context.obj) as answer:
        try:
            import mcp.server  # noqa: F401
        except ImportError as error:
            hint = "pip install 'weft[mcp]'"
            raise UsageError(f"the Model Context Protocol needs a package more: {error}", hint=hint) from error
        from weft.engine.mcp.confinement import Root
        from weft.engine.mcp.desk import Desk
        from weft.engine.mcp.server import serve
        from weft.engine.session import Session

        given = {name: value for name, value in settings.items() if name in PLACES}
        known = Session(**given, warn=answer.notice)
        folders = [*known.folders.models, known.folders.input]
        place = Root(root, [*folders, Path(known.folders.folders("checkpoints")[-1]).parent])
        places = [*(f"--models={each}" for each in known.folders.models if each.is_dir())]
        places += [f"--input={known.folders.input}"] if known.folders.input.is_dir() else []
        code = [
            f"--{name.replace('_', '-')}={os.path.abspath(each)}"
            for name in ("custom_nodes", "nodes")
            for each in settings.get(name) or ()
        ]
        options = [*places, *code, f"--output={place.path('output')}"]
        options += [f"--{name}={settings[name]}" for name in ("device", "dtype") if settings.get(name)]
        options += [f"--keep-alive={keep_alive}"] if keep_alive is not None else []
        environment = {**os.environ, "WEFT_TEMP": str(place.path("temp"))}
        # What a session of the client's own shell says of colours and widths is no affair of the tools.
        environment |= {"COLUMNS": "100", "NO_COLOR": "1"}
        if sys.stdin is not None and sys.stdin.isatty():
            answer.err.line("waiting for a client on stdin, which usually starts this itself: docs/mcp.md")
        with redirect_stdout(wire):
            serve(Desk(place, places, code, options, environment))
