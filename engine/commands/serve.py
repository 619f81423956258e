"""`weft serve`: the command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from weft.engine.errors import UsageError
from weft.engine.terminal.answer import Answer, answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import (
    QuietOption,
    taking_settings,
)

if TYPE_CHECKING:
    from weft.engine.serving.journal import Journal

RATE = 600
"""Posts of an address in a minute, on a server that others reach."""
PATIENCE = 1.0
"""Seconds in which the last lines may be written when the server ends."""

EPILOG = (
    "Clients of ComfyUI speak to it as they are: docs/serve.md has what they may ask.\n\n"
    "Examples:\n\nweft serve --models ~/models\n\n"
    'weft serve --listen 0.0.0.0 --token "$(cat token)" --state ~/.local/state/weft\n\n'
    "weft serve --front-end --custom-nodes ~/ComfyUI/custom_nodes --cache-lru 100"
)

ServedOutput = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "--output-directory",
        metavar="DIR",
        file_okay=False,
        help="The folder that files are written to; made when it is needed. Environment: WEFT_OUTPUT.",
        show_default="./output",
    ),
]

app = one_command()


@app.command(epilog=EPILOG)
@taking_settings("run", "models", "input", "device", "dtype", before="cache_lru")
def serve(
    context: typer.Context,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address to listen at; beyond this machine it takes a --token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="The port; 0 for one that is free.")
    ] = 8188,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", envvar="WEFT_TOKEN", show_envvar=False,
            help="What clients must say to be answered: as a Bearer token, or as ?token=. Environment: WEFT_TOKEN.",
            show_default="none is needed",
        ),
    ] = None,
    output: ServedOutput = None,
    cache_lru: Annotated[
        int,
        typer.Option(
            "--cache-lru", min=0, metavar="COUNT",
            help="Keep the outputs of so many nodes in memory, the least recently used go first. 0 keeps those of the "
            "last prompt.",
        ),
    ] = 0,
    cache: Annotated[
        list[Path] | None,
        typer.Option(
            "--cache", metavar="DIR", file_okay=False,
            help="Also keep what is computed on the disk, in this folder, as weft run does; may be repeated: the first "
            "folder is written to, the others are only read.",
            show_default="nowhere",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", file_okay=False,
            help="Keep the queue and the history in this folder: a server that was killed comes back with them.",
            show_default="they end with the server",
        ),
    ] = None,
    max_queue: Annotated[
        int, typer.Option("--max-queue", min=0, metavar="COUNT", help="Refuse prompts while so many wait. 0: never.")
    ] = 0,
    preview_method: Annotated[
        Literal["auto", "none"] | None,
        typer.Option(
            "--preview-method", metavar="METHOD",
            help="Who is sent pictures of what samplers are at: all clients (auto) or nobody (none).",
            show_default="clients that know them from results, as the editor does",
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="COUNT",
            help="Refuse an address that posts more often in a minute. 0: never.",
            show_default=f"{RATE}, and 0 on this machine alone",
        ),
    ] = None,
    front_end: Annotated[
        bool,
        typer.Option(
            "--front-end",
            help="Serve ComfyUI's editor at /, of the package comfyui-frontend-package: pip install 'weft[editor]'.",
        ),
    ] = False,
    front_end_root: Annotated[
        Path | None,
        typer.Option(
            "--front-end-root", metavar="DIR", exists=True, file_okay=False,
            help="Serve the editor whose files are in this folder.",
            show_default="none",
        ),
    ] = None,
    quiet: QuietOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:  # fmt: skip
    """Serve ComfyUI's HTTP and WebSocket API: its clients run their prompts on this engine.

    It says on stderr where it listens, and what becomes of each prompt as a line of JSON. Ctrl-C and SIGTERM end it:
    the prompt that runs is stopped, and with --state waits for the next server.
    """
    with answering(context.obj, quiet=quiet) as answer:
        try:
            import aiohttp  # noqa: F401
        except ImportError as error:
            raise UsageError(f"a server needs a package more: {error}", hint="pip install 'weft[serve]'") from error
        from weft.engine.serving.editor import editor_folder
        from weft.engine.serving.guard import is_loopback
        from weft.engine.serving.journal import Journal
        from weft.engine.serving.process import listening
        from weft.engine.serving.process import serve as serve_forever
        from weft.engine.serving.rounds import RoundCache
        from weft.engine.serving.runner import ServingSession
        from weft.engine.serving.server import Server, ServerOptions
        from weft.engine.terminal.caches import Budgets, opened

        if not is_loopback(listen) and not token:
            raise UsageError(f"{listen} can be reached from other machines, and no token is set", hint="--token TEXT")
        editor = editor_folder(front_end_root) if front_end or front_end_root is not None else None
        # Who comes while packs are loaded waits, and a port that is taken is told at once.
        with ExitStack() as stack:
            place = stack.enter_context(listening(listen, port))
            journal = Journal()
            stack.callback(journal.close, PATIENCE)
            session = ServingSession(output=output, **settings, warn=partial(journal.say, answer.notice))
            rounds = RoundCache(cache_lru, max_step_bytes=Budgets.of(session.settings).max_step_bytes)
            folders = tuple(cache or session.settings.cache or ())
            kept = opened(folders, session.settings, session.packs, several=True, memory=rounds, warn=answer.notice)
            session.cache = stack.enter_context(kept)
            options = ServerOptions(
                listen=listen,
                port=place.getsockname()[1],
                token=token or "",
                max_queue=max_queue,
                rate=rate if rate is not None else 0 if is_loopback(listen) else RATE,
                user=user_folder(state),
                state=state,
                front_end=editor,
                preview_method=preview_method or "",
                argv=tuple(sys.argv),
                log=_log(journal, answer),
            )
            server = Server(session, rounds, options)
            number = serve_forever(
                server, place, lambda address: journal.say(answer.err.line, f"listening at {address}")
            )
        if number:
            answer.stop.number = number
            raise KeyboardInterrupt


def user_folder(state: Path | None) -> Path:
    """Where the editor keeps its workflows and settings."""
    if state is not None:
        return state / "user"
    base = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(base) / "weft" / "user"


def _log(journal: Journal, answer: Answer) -> Any:
    def log(record: Mapping[str, Any]) -> None:
        if not answer.quiet:
            journal.say(answer.err.line, json.dumps(record))

    return log
