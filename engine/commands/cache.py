"""`weft cache`: what is in a cache, and whether it is whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weft.engine.errors import UsageError, one_line
from weft.engine.terminal.answer import Answer, answering
from weft.engine.terminal.caches import Budgets, folders_of
from weft.engine.terminal.groups import CommandGroup
from weft.engine.terminal.options import JsonOption, taking_settings
from weft.engine.terminal.whys import why

if TYPE_CHECKING:
    from weft.engine.cache.disk import DiskCache

_BITS = {"damaged": 1, "unknown": 2, "unreadable": 4}
"""What is added up to the exit code of `weft cache verify`."""

app = typer.Typer(
    cls=CommandGroup,
    help="Look at the cache, in which `weft run` keeps what it computed for later runs.",
    epilog="The folder is --cache DIR, else the first of WEFT_CACHE, else the first of cache in weft.toml, else "
    "~/.cache/weft; cache_gib in weft.toml (WEFT_CACHE_GIB) is how large it may become, at first 10.\n\n"
    "Example: weft cache info",
    no_args_is_help=True,
    rich_markup_mode=None,
)
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        file_okay=False,
        help="The folder of the cache. Environment: WEFT_CACHE.",
        show_default="~/.cache/weft",
    ),
]


@app.command(epilog="Example:\n\nweft cache info --json | jq .bytes")
def info(context: typer.Context, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """Say where the cache is, how much is in it, and how large it may become."""
    with _asking(context, folder, as_json) as (answer, cache):
        size, steps = cache.size(), cache.kept_steps
        if as_json:
            told = {"folder": str(cache.folder.parent), **size._asdict(), "max_bytes": cache.max_bytes}
            answer.document({**told, "steps": None if steps is None else steps.size()._asdict()})
            return
        answer.out.line(one_line(str(cache.folder.parent)))
        answer.out.line(f"{size.entries} entries, {size.blobs} blobs")
        answer.out.line(f"{_amount(size.bytes)} of {_amount(cache.max_bytes)}")
        if steps is not None:
            kept = steps.size()
            answer.out.line(f"{kept.entries} states between steps, {_amount(kept.bytes)} of {_amount(steps.max_bytes)}")


@app.command("list", epilog="Example:\n\nweft cache list --json | jq -r '.entries[].node'")
def list_entries(context: typer.Context, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List the entries, the most recently used first: key, last use, size, the node, what it gave, its files."""
    with _asking(context, folder, as_json) as (answer, cache):
        from datetime import datetime

        rows = cache.rows()
        if as_json:
            entries = [
                {
                    "key": row.key.hex(),
                    "node": row.label,
                    "used": row.seen,
                    "bytes": row.size,
                    "outputs": list(row.kinds),
                    "files": [str(file) for file in row.files],
                }
                for row in rows
            ]
            answer.document({"entries": entries})
            return
        for row in rows:
            used = datetime.fromtimestamp(row.seen).strftime("%Y-%m-%d %H:%M")
            gave = ", ".join([*row.kinds, *(one_line(str(file)) for file in row.files)])
            what = ": ".join(filter(None, (one_line(row.label), gave)))
            # A key begins with what computed, which most entries have in common.
            answer.out.line(f"{row.key.hex()[-64:][:12]}  {used}  {_amount(row.size):>10}  {what}")


@app.command(epilog="Examples:\n\nweft cache clear\n\nweft cache clear --unused 30")
def clear(
    context: typer.Context,
    folder: FolderOption = None,
    unused: Annotated[
        float | None,
        typer.Option("--unused", min=0, metavar="DAYS", help="Only what was not used for so many days."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Remove everything that is in the cache; runs that use it meanwhile compute again what they miss."""
    with _asking(context, folder, as_json, changes=True) as (answer, cache):
        removed = {}
        try:
            if unused is None:
                cache.clear()
            else:
                removed["entries"] = cache.clear_unused(time.time() - unused * 86400)
        except OSError as error:
            raise UsageError(f"cannot clear {cache.folder}: {error.strerror or error}") from error
        if as_json:
            answer.document({"status": "done", **removed})
        elif removed:
            answer.out.line(f"{removed['entries']} entries removed")


@app.command(
    epilog="Exit code: 0 everything is as it was written; else the sum of 1 something is damaged or missing, 2 there "
    "are files that nobody knows, 4 something cannot be read. What is damaged is computed again when it is needed; "
    "what is unknown may be of a run that is writing just now. weft cache clear removes all of it.\n\n"
    "Example: weft cache verify --cache /mnt/shared/weft"
)
def verify(context: typer.Context, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """Hash everything that is in the cache, and say what is not as it was written."""
    with _asking(context, folder, as_json, code=_BITS["unreadable"]) as (answer, cache):
        steps = cache.kept_steps
        faults = [*cache.verify(), *(steps.verify() if steps is not None else ())]
        code = sum(_BITS[kind] for kind in {fault.kind for fault in faults})
        if as_json:
            answer.document({"status": "faulty" if code else "whole", "faults": [each._asdict() for each in faults]})
        else:
            for fault in faults:
                answer.out.line(f"{fault.kind}: {one_line(fault.place)}: {fault.message}")
            if not faults:
                answer.out.line(f"{cache.size().entries} entries are whole")
        if code:
            raise SystemExit(code)


app.command(
    epilog="Examples:\n\nweft cache why portrait.json 'Save Image'\n\nweft cache why portrait.json 5 --set 5.seed=8"
)(taking_settings("plan", before="ui")(why))


class _Unreadable(UsageError):
    """The index of a cache cannot be read."""


@contextmanager
def _asking(
    context: typer.Context,
    folder: Path | None,
    as_json: bool,
    *,
    changes: bool = False,
    code: int = UsageError.exit_code,
) -> Iterator[tuple[Answer, DiskCache]]:
    """The answer of a command, and the cache that it is about; `code` is what it ends in where that cannot be read."""
    with answering(context.obj, as_json=as_json) as answer:
        import sqlite3

        from weft.engine.cache.disk import DiskCache, is_usable
        from weft.engine.schema.packs import Packs
        from weft.engine.settings import Settings

        settings = Settings.load({}, Packs.installed().settings.values())
        folders = folders_of(settings, [folder] if folder is not None else None)
        if not folders:
            raise UsageError("no cache is named", hint="--cache DIR, WEFT_CACHE, or cache in weft.toml")
        # To look at what a team shares is no harm.
        others = not changes and not is_usable(folders[0])
        cache = DiskCache(folders[0], **Budgets.of(settings)._asdict(), read_only=others, warn=answer.notice)
        if not cache.folder.is_dir():
            raise UsageError(f"{folders[0]} holds no cache", hint="weft run makes one")
        try:
            yield answer, cache
        except sqlite3.Error as error:
            unreadable = _Unreadable(
                f"{cache.index.file} cannot be read: {error}", hint="weft cache clear makes a new one"
            )
            unreadable.exit_code = code
            raise unreadable from error
        finally:
            cache.close()


def _amount(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
