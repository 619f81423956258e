"""`weft stubs`: what an editor and a type checker need to know of the node classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.engine.errors import UsageError
from weft.engine.terminal.answer import answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import taking_settings

EPILOG = (
    "Examples:\n\nweft stubs --custom-nodes ~/ComfyUI/custom_nodes -o .\n\n"
    "Then, in a program beside it: from weft_nodes import Graph\n\n"
    "weft stubs > graph.pyi"
)


app = one_command()


@app.command(epilog=EPILOG)
@taking_settings("stubs", before="folder")
def stubs(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            file_okay=False,
            help="Write weft_nodes.py and weft_nodes.pyi into this folder: a module with a Graph that knows the packs "
            "that are named here. Default: write the .pyi to stdout.",
            show_default=False,
        ),
    ] = None,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Write the node classes as type stubs for graphs that are built in Python.

    weft.Graph is typed for the built-in classes already; this is for those of custom node packs.
    """
    with answering(context.obj) as answer:
        from weft.engine.building.stubs import MODULE, module_of, stub_of
        from weft.engine.session import Session
        from weft.engine.wholefiles import write_whole

        session = Session(**settings, warn=answer.notice)
        text = stub_of(session.registry)
        if folder is None:
            answer.out.write(text)
            return
        places = {name: [str(place) for place in getattr(session.settings, name)] for name in ("custom_nodes", "nodes")}
        for name, content in ((f"{MODULE}.pyi", text), (f"{MODULE}.py", module_of(places))):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                write_whole(folder / name, content.encode())
            except OSError as error:
                raise UsageError(f"cannot write {folder / name}: {error.strerror}") from error
            answer.out.line(str(folder / name))
