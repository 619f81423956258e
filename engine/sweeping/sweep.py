"""A sweep from its beginning to its end: surveyed, run as far as it has not been, told in the index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from weft.engine.errors import UsageError, Warn, WeftError, of_machine
from weft.engine.events import CellFinished
from weft.engine.locks import Locked, locked
from weft.engine.planning.forecast import ModelCalls
from weft.engine.session import Session
from weft.engine.sweeping.axes import SweepAxis
from weft.engine.sweeping.cells import SweepCell, make_cells
from weft.engine.sweeping.index import CellRecord, Index
from weft.engine.sweeping.running import CellOutcome, Runner, run_cells
from weft.engine.sweeping.survey import Surveyed, survey
from weft.engine.workflow.prompt import Prompt


class Sweep:
    """The cells of a workflow and some axes, in the folder that the session writes to.

    `order` has them as they are to run; `records` what is known of each by number, from this run or an earlier one.
    Raises UsageError for axes that make no sense, and the first error of a cell unless `keep_going`: then it is told in
    the cell's record.
    """

    def __init__(
        self,
        session: Session,
        base: Prompt,
        axes: Sequence[SweepAxis],
        *,
        targets: Sequence[str] = (),
        keep_going: bool = False,
    ) -> None:
        self.session = session
        self.axes = tuple(axes)
        self.targets = tuple(targets)
        self.keep_going = keep_going
        self.folder = session.folders.output
        self.index = Index(self.folder)
        self.cells = tuple(make_cells(session, base, axes))
        self.order = survey(session, self.cells, self.targets)
        self._keys = {one.cell.number: one.identity for one in self.order}
        wrong = [one for one in self.order if one.error is not None]
        if wrong and not keep_going:
            raise _refusal(wrong, len(self.cells))
        self.records: dict[int, CellRecord] = {}
        self.restored = 0

    @property
    def waiting(self) -> list[SweepCell]:
        """The cells that are to run, in their order."""
        return [one.cell for one in self.order if one.error is None and one.cell.number not in self.records]

    @property
    def failed(self) -> int:
        """How many cells have failed."""
        return sum(not record.is_done for record in self.records.values())

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make the folder, and let no other sweep into it inside the block. Raises UsageError where there is one."""
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with locked(self.folder, patience=0.0):
                yield
        except Locked as error:
            raise UsageError(
                f"another sweep is writing into {self.folder}", hint="wait for it, or give this one another folder"
            ) from error

    def restore(self, warn: Warn) -> None:
        """Take from the index the cells that finished before, and whose files are as they were then."""
        before = [record for record in self.index.read() if record.is_done and record.key]
        by_key: dict[str, list[CellRecord]] = {}
        for record in before:
            if self.session.batch > 1 or not record.batched:
                by_key.setdefault(record.key, []).append(record)
        for cell in self.cells:
            known = by_key.get(self._keys[cell.number], ())
            # Of several that gave the same, its own.
            for record in sorted(known, key=lambda each: each.parameters != cell.parameters):
                if self._is_whole(record):
                    number, parameters, place = cell.number, cell.parameters, cell.place
                    self.records[number] = replace(record, cell=number, parameters=parameters, place=place)
                    break
        self.restored = len(self.records)
        keys = set(self._keys.values())
        others = sum(record.key not in keys for record in before)
        if others:
            what = "of other values, of another workflow, models or version of Weft"
            warn(f"{self.index.file} tells no longer of {others} cells {what}: their files stay")

    def model_calls(self) -> dict[int, ModelCalls]:
        """How often the networks will be evaluated for each cell that waits, by its number, in the order of the run."""
        waiting = self.waiting
        # Planned anew: in another order, and not all kept at once.
        plans = (self.session.plan(cell.prompt, self.targets) for cell in waiting)
        return {cell.number: calls for cell, calls in zip(waiting, self.session.model_calls(plans), strict=True)}

    def models(self) -> dict[int, frozenset[str]]:
        """The files that the nodes of each cell that waits read, its models among them, by its number."""
        found = {}
        for cell in self.waiting:
            plan = self.session.plan(cell.prompt, self.targets)
            found[cell.number] = frozenset(name for node in plan.nodes.values() for name in node.files)
        return found

    def run(self, runner: Runner) -> Iterator[CellRecord]:
        """Run what waits, and give each record when it is in the index. No other sweep may be in the folder: `alone`.

        Raises what a cell raised, unless `keep_going`; Interrupted; UsageError where the folder cannot be written to.
        """
        with _writing(self.folder):
            self.index.replace(self._known())
        for one in self.order:
            if one.error is not None:
                yield self._noted(_failed(one.cell, one.error), runner)
        for record, error in self._ran(runner):
            yield self._noted(record, runner)
            if not record.is_done and not self.keep_going:
                raise error or WeftError(f"{self._cell(record).where}: {record.error}")
        with _writing(self.folder):
            self.index.replace(self._known())

    def _ran(self, runner: Runner) -> Iterator[tuple[CellRecord, Exception | None]]:
        if runner.elsewhere is not None:
            yield from ((record, None) for record in runner.elsewhere(runner, self.waiting, self._keys))
            return
        for outcome in run_cells(runner, self.waiting):
            yield record_of(self.session, outcome, self._keys[outcome.cell.number]), outcome.error

    def _cell(self, record: CellRecord) -> SweepCell:
        return next(cell for cell in self.cells if cell.number == record.cell)

    def _known(self) -> list[CellRecord]:
        return [self.records[number] for number in sorted(self.records)]

    def _noted(self, record: CellRecord, runner: Runner) -> CellRecord:
        self.records[record.cell] = record
        with _writing(self.folder):
            self.index.add(record)
        for observer in runner.observers:
            observer(CellFinished(record.to_json()))
        return record

    def paths(self, record: CellRecord) -> list[Path]:
        """The files of a record, those that only show something last."""
        return [self.folder / name for name in (*record.files, *record.previews)]

    def _is_whole(self, record: CellRecord) -> bool:
        files = self.paths(record)
        try:
            digests = [self.session.digests.of(file).hex() for file in files]
        except OSError:
            return False
        return digests == list(record.contents)


def record_of(session: Session, outcome: CellOutcome, key: str) -> CellRecord:
    """The line of the index for what came of a cell, in the folder that the session writes to."""
    cell, result, folder = outcome.cell, outcome.result, session.folders.output
    if result is None:
        assert outcome.error is not None
        return replace(_failed(cell, outcome.error), seconds=round(outcome.seconds, 3))
    outputs = {step.node_id for step in result.plan.steps if step.schema.output_node}
    return CellRecord(
        cell.number,
        cell.parameters,
        seeds=session.seeds(result.plan.lowered.source),
        files=tuple(_relative(file, folder) for file in result.files),
        previews=tuple(_relative(file, folder) for file in result.previews),
        seconds=round(outcome.seconds, 3),
        cached=not result.timings.keys() - outputs,
        place=cell.place,
        key=key,
        batched=session.batch > 1,
        contents=tuple(session.digests.of(file).hex() for file in (*result.files, *result.previews)),
    )


def failed_record(cell: SweepCell, message: str) -> CellRecord:
    """That of a cell of which nothing came."""
    return CellRecord(cell.number, cell.parameters, status="failed", error=message, place=cell.place)


def _relative(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


class _writing:
    """An OSError inside the block is about the folder that the user named."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise UsageError(f"cannot write to {self._folder}: {error.strerror or error}") from error


def _failed(cell: SweepCell, error: BaseException) -> CellRecord:
    message = str(error) if isinstance(error, WeftError) else of_machine(error) or f"{type(error).__name__}: {error}"
    return failed_record(cell, message)


def _refusal(wrong: Sequence[Surveyed], count: int) -> WeftError:
    """The error of the first cell that cannot run, which says of which cell it is, and of how many more."""
    cell, error = min(((one.cell, one.error) for one in wrong), key=lambda each: each[0].number)
    assert error is not None
    more = f", {len(wrong) - 1} more of {count} cells cannot run" if len(wrong) > 1 else ""
    error.message = f"{cell.where}: {error.message}{more}"
    error.hint = "; ".join(filter(None, (error.hint, "--keep-going runs the others" if len(wrong) < count else "")))
    return error
