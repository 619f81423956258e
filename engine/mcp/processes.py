"""Commands of Weft's in processes of their own: their answer, their progress, and their end when nobody waits."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

Tell = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Is told of every event of a run."""

_PATIENCE = 10.0
"""Seconds in which an interrupted command may put its files away."""


class EndedCommand(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Its document of --json; of a command that broke off, an error."""
        try:
            found = json.loads(self.out)
            return found if isinstance(found, dict) else {"result": found}
        except ValueError:
            return {"error": "Failed", "message": self.err.strip()[-2000:] or f"exit code {self.code}"}


async def weft(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], tell: Tell | None = None
) -> EndedCommand:
    """Run `weft ARGUMENTS` in a folder; `tell` is given each line of --events. Cancelled, it interrupts the command."""
    # -P: what lies in the folder is never imported.
    command = [sys.executable, "-P", "-m", "weft", *arguments]
    process = await anyio.open_process(
        command, stdin=subprocess.DEVNULL, cwd=folder, env=environment, start_new_session=True
    )
    out: list[str] = []
    err: list[str] = []
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_read, process.stderr, err.append)
            if tell is None:
                await _read(process.stdout, out.append)
            else:
                await _told(process.stdout, out, tell)
        code = await process.wait()
        return EndedCommand(code, "".join(out), "".join(err))
    finally:
        if process.returncode is None:
            with anyio.CancelScope(shield=True):
                await _end(process)
        with anyio.CancelScope(shield=True):
            await process.aclose()


async def _read(stream: Any, keep: Callable[[str], None]) -> None:
    async for text in TextReceiveStream(stream, errors="replace"):
        keep(text)


async def _told(stream: Any, out: list[str], tell: Tell) -> None:
    """Give each line of events on; the last one is kept as the command's document."""
    rest = ""
    async for text in TextReceiveStream(stream, errors="replace"):
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            out[:] = [line]
            await tell(json.loads(line))


async def _end(process: Process) -> None:
    """Interrupt it as Ctrl-C does, so that nothing is left half-written; kill it where that takes too long."""
    for end in (signal.SIGINT, signal.SIGKILL):
        try:
            process.send_signal(end)
        except ProcessLookupError:
            return
        with anyio.move_on_after(_PATIENCE):
            await process.wait()
            return
