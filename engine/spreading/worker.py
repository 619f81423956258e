"""What runs cells in a process of its own: a session as the sweep's, and one cell at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weft.engine.cancel import CancelToken
from weft.engine.errors import WeftError
from weft.engine.session import Session
from weft.engine.sweeping.cells import SweepCell
from weft.engine.sweeping.index import CellRecord
from weft.engine.sweeping.running import Runner, run_cells
from weft.engine.sweeping.sweep import record_of


@dataclass(frozen=True)
class WorkerPlan:
    """What a worker is told of the sweep: the settings, whole; the folders of the cache; the nodes beside the outputs.

    Paths are absolute: a worker may run in another folder, and on another machine, which has them, too.
    """

    settings: dict[str, Any]
    cache: tuple[Path, ...] = ()
    targets: tuple[str, ...] = ()
    folder: Path = field(default_factory=Path.cwd)


def plan_of(session: Session, cache: Sequence[Path], targets: Sequence[str]) -> WorkerPlan:
    """What the workers of a session's sweep are told: all that its settings say, wherever they said it."""
    fields = type(session.settings).model_fields
    own = {name: field.default for name, field in fields.items()}
    given = {name: value for name, value in session.settings if value is not None}
    # What nobody has set a worker finds as this process did: its folder may have no models, say.
    settings = {name: _absolute(value) for name, value in given.items() if value != own.get(name)}
    for name in ("cache", "keep_alive"):
        settings.pop(name, None)
    settings["output"] = _absolute(session.folders.output)
    return WorkerPlan(settings, tuple(map(_absolute, cache)), tuple(targets))


def _absolute(value: Any) -> Any:
    if isinstance(value, Path):
        return value.expanduser().absolute()
    return type(value)(map(_absolute, value)) if isinstance(value, tuple | list) else value


class CellWorker:
    """Opens a session, and runs what it is given."""

    def __init__(self, plan: WorkerPlan) -> None:
        from weft.engine.terminal.caches import opened

        # What a workflow names is below the folder where the sweep was asked for.
        if plan.folder.is_dir():
            os.chdir(plan.folder)
        self._plan = plan
        self._warned: list[str] = []
        self._token = CancelToken()
        self._stack = ExitStack()
        self._refused = ""
        try:
            self._session = Session(**plan.settings, warn=self._warned.append)
            given = self._session.settings, self._session.packs
            kept = opened(plan.cache, *given, several=True, warn=self._warned.append)
            self._session.cache = self._stack.enter_context(kept)
        except WeftError as error:
            self._refused = str(error)
        except Exception as error:
            self._refused = f"{type(error).__name__}: {error}"

    def refused(self) -> str:
        """Why it cannot run anything; empty if it can."""
        return self._refused

    def run(self, cell: SweepCell, key: str) -> tuple[CellRecord, tuple[str, ...]]:
        """The record of a cell, and what was warned of. Raises Interrupted once it was cancelled."""
        said = len(self._warned)
        runner = Runner(self._session, self._plan.targets, (), self._token)
        (outcome,) = run_cells(runner, [cell])
        record = record_of(self._session, outcome, key)
        if outcome.result is not None:
            self._warned += [f"{cell.where}: {text}" for *_, text in outcome.result.warnings]
        return record, tuple(self._warned[said:])

    def cancel(self) -> None:
        """Have the running cell stop, from another thread."""
        self._token.cancel()
