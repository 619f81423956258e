"""Runs one workflow for a test, in folders of its own, and records it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from engine import events
from engine.api import Session
from engine.cache import Cache, MemoryCache
from engine.errors import NodeFailed
from engine.overrides import find_node
from engine.registry import Registry
from engine.testing.comparison import Side
from engine.testing.goldens import How
from engine.testing.instrument import Instrument, Tally, Tensor
from engine.testing.recorder import Recorder
from engine.testing.records import Recording, TensorLeaf
from engine.testing.settings import Options
from engine.testing.verdicts import FAILED, NodeVerdict

Wants = Callable[[str, TensorLeaf], bool]


@dataclass
class Run:
    """What a run gave: the recording, the tensors that were wanted, and facts that no golden keeps.

    `find` gives the id of the node that a reference names, as in --set, or raises UsageError.
    `seconds` and `calls` (evaluations of a network) are of the nodes that ran; `files` are what each node wrote.
    """

    recording: Recording
    tensors: dict[str, Tensor]
    how: How
    find: Callable[[str], str]
    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    cached: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    files: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    failed: dict[str, NodeVerdict] = field(default_factory=dict)
    total: float = 0.0

    @property
    def side(self) -> Side:
        """This run as one side of a comparison."""
        return Side(self.recording, self.tensors, self.failed, self.unseen, self.seconds)


class _Watcher:
    """An observer that takes down times, network evaluations and files, by node."""

    def __init__(self, run: Run, tally: Tally) -> None:
        self.run = run
        self.tally = tally
        self.before = 0

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.NodeStarted():
                self.before = self.tally.calls
            case events.NodeFinished():
                self.run.seconds[event.node_id] = event.seconds
                self.run.calls[event.node_id] = self.tally.calls - self.before
                self.run.files[event.node_id] = event.files
            case events.RunStarted():
                self.run.unseen = event.pruned


@contextmanager
def performed(
    workflow: Path,
    how: How,
    options: Options,
    instrument: Instrument,
    wants: Wants,
    *,
    runs: int = 1,
    registry: Registry | None = None,
    observers: Sequence[events.Observer] = (),
    cache: Cache | None = None,
) -> Iterator[Run]:
    """Run a workflow `runs` times (with a cache in memory from the second on) and give the last run.

    What it wrote is there until the block ends. A node that raises is part of what the run gave; what keeps a workflow
    from running at all is raised as by engine.run.
    """
    with TemporaryDirectory(prefix="weft-test-") as place:
        session = Session(
            models=options.models,
            input=options.input,
            output=Path(place) / "output",
            temp=Path(place) / "temp",
            device=options.device,
            dtype=options.dtype,
            sampling=options.sampling or how.sampling or None,
            registry=registry,
            cache=cache if cache is not None else MemoryCache() if runs > 1 else None,
        )
        for _ in range(runs):
            run = _once(session, workflow, how, instrument, wants, observers)
        yield run


def _once(
    session: Session,
    workflow: Path,
    how: How,
    instrument: Instrument,
    wants: Wants,
    observers: Sequence[events.Observer],
) -> Run:
    prompt = session.read(workflow, how.overrides or None)
    plan = session.plan(prompt, how.targets)
    recorder = Recorder(instrument, session.folders, session.digests, wants)
    now = how.model_copy(update={"sampling": session.settings.sampling})
    run = Run(
        recorder.recording(session.settings),
        recorder.tensors,
        now,
        partial(find_node, prompt, registry=session.registry),
    )
    started = time.perf_counter()
    with instrument.counter() as tally:
        try:
            result = session.execute(plan, (*observers, _Watcher(run, tally)), watch=recorder)
            run.cached = result.cached
        except NodeFailed as error:
            step = next((step for step in plan.steps if step.node_id == error.node_id), None)
            if step is not None:
                recorder.failed(step)
            message = f"{error.message} ({error.hint})" if error.hint else error.message
            run.failed[error.node_id] = NodeVerdict(
                error.node_id, error.title, error.class_type, FAILED, message=message
            )
    run.total = time.perf_counter() - started
    run.recording = recorder.recording(session.settings)
    return run
