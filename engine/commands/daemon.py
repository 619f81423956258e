"""`weft daemon`: the worker that a run has left."""

from __future__ import annotations

from typing import Any

import typer

from weft.engine.errors import one_line
from weft.engine.terminal.answer import answering
from weft.engine.terminal.groups import CommandGroup
from weft.engine.terminal.options import JsonOption
from weft.engine.terminal.words import seconds_text

app = typer.Typer(
    cls=CommandGroup,
    help="Look after the worker, which stays where weft run --keep-alive MINUTES has left one.",
    epilog="There is one for each user and installation. It ends by itself when nobody has come for so many minutes, "
    "when the code or a pack has changed, and when memory gets tight.\n\nExample: weft daemon status",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(epilog="Example:\n\nweft daemon status --json | jq .ends_in")
def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Say whether there is a worker, what it does, and how much it keeps in memory."""
    with answering(context.obj, as_json=as_json) as answer:
        found = asked("status")
        if as_json:
            answer.document(found or {"status": "none"})
            return
        if found is None:
            answer.out.line("no worker")
            return
        ends = "" if found["ends_in"] is None else f", ends in {seconds_text(found['ends_in'])}"
        answer.out.line(f"worker {found['pid']}: {found['status']}{ends}")
        count = found["runs"]
        mebibytes = f"{found['bytes'] / 2**20:.0f} of {found['max_bytes'] / 2**20:.0f} MiB"
        answer.out.line(f"{count} run{'s' if count != 1 else ''}, {found['entries']} entries in memory, {mebibytes}")
        if found["refused"]:
            answer.out.line(f"last refused a run: {one_line(found['refused'])}")
        answer.out.line(f"log: {one_line(found['log'])}")


@app.command(epilog="Example:\n\nweft daemon stop")
def stop(context: typer.Context, as_json: JsonOption = False) -> None:
    """End the worker: at once where it is idle, else when its run is over."""
    with answering(context.obj, as_json=as_json) as answer:
        found = asked("stop")
        status = "none" if found is None else "stopped" if found["at_once"] else "stopping"
        if as_json:
            answer.document({"status": status})
        else:
            said = {"none": "no worker", "stopped": "stopped", "stopping": "it ends when its run is over"}
            answer.out.line(said[status])


def asked(what: str) -> dict[str, Any] | None:
    """What the worker answers; None where there is none."""
    from weft.engine.worker.messages import receive, send
    from weft.engine.worker.places import NoPlace, connected, place_of_user

    try:
        connection = connected(place_of_user(), seconds=5)
        if connection is None:
            return None
        with connection:
            send(connection, {"ask": what})
            return receive(connection)
    except (NoPlace, OSError):
        return None
