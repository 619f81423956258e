"""Runs one workflow for a test, in folders of its own, and records it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from weft.engine import events
from weft.engine.cache.memory import MemoryCache
from weft.engine.cache.protocol import Cache
from weft.engine.cancel import CancelToken
from weft.engine.errors import Interrupted, NodeError, UsageError
from weft.engine.planning.plan import Step
from weft.engine.running.result import RunResult
from weft.engine.schema.registry import Registry
from weft.engine.session import Session
from weft.engine.settings import Settings, another_device
from weft.engine.testing.comparison import Side
from weft.engine.testing.framework import Definition, NeedsGpu, definition_of, passing
from weft.engine.testing.goldens import How
from weft.engine.testing.instrument import Evaluations, Instrument, Tensor
from weft.engine.testing.recorder import Recorder
from weft.engine.testing.records import Recording, TensorLeaf
from weft.engine.testing.settings import Options
from weft.engine.testing.verdicts import FAILED, UNSEEN, NodeVerdict
from weft.engine.workflow.overrides import find_node
from weft.engine.workflow.prompt import Prompt

Wants = Callable[[str, TensorLeaf], bool]


@dataclass
class Run:
    """What a run gave: the recording, the tensors that were wanted, and facts that no golden keeps.

    `find` gives the id of the node that a reference names, as in --set, or raises UsageError.
    `seconds` and `calls` (evaluations of a network) are of the nodes that ran; `files` are what each node wrote;
    `blocked` are those of which no call was made.
    `definition` is what the workflow says of itself as a test; `late` says that it took longer than it may. `waiting`
    are the nodes to which a run did not come that ended early.
    """

    recording: Recording
    tensors: dict[str, Tensor]
    how: How
    find: Callable[[str], str]
    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    cached: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    files: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    failed: dict[str, NodeVerdict] = field(default_factory=dict)
    definition: Definition | None = None
    late: str = ""
    ended: bool = False
    waiting: dict[str, NodeVerdict] = field(default_factory=dict)
    total: float = 0.0

    @property
    def side(self) -> Side:
        """This run as one side of a comparison."""
        return Side(self.recording, self.tensors, self.failed, self.unseen, self.seconds)


class _Watcher:
    """An observer that takes down times, network evaluations and files, by node, and looks at the clock.

    `limit` is cancelled when the run has taken longer than it may; the run then says why it is `late`.
    """

    def __init__(self, run: Run, tally: Evaluations, limit: CancelToken) -> None:
        self.run = run
        self.tally = tally
        self.limit = limit
        self.before = 0
        self.started = time.perf_counter()

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.NodeStarted():
                self.before = self.tally.calls
                self._watch_time(f'stopped before node {event.node_id} "{event.title}"')
            case events.Progress():
                place = f"stopped in node {event.node_id}, at step {event.value} of {event.total}"
                self._watch_time(place)
            case events.NodeFinished():
                self.run.seconds[event.node_id] = event.seconds
                self.run.calls[event.node_id] = self.tally.calls - self.before
                self.run.files[event.node_id] = event.files
            case events.NodeBlocked() if event.blocked == event.calls:
                self.run.blocked.add(event.node_id)
            case events.RunStarted():
                self.run.unseen = event.pruned

    def _watch_time(self, place: str) -> None:
        """Stop a test that takes too long; a node that reports no steps is waited for."""
        definition, seconds = self.run.definition, time.perf_counter() - self.started
        if definition is not None and seconds > definition.seconds and not self.run.late:
            self.run.late = f"{seconds:.1f} s, {place}"
            self.limit.cancel(self.run.late)


@contextmanager
def performed(
    workflow: Path,
    how: How,
    options: Options,
    instrument: Instrument,
    wants: Wants,
    *,
    runs: int = 1,
    defined: bool = False,
    registry: Registry | None = None,
    observers: Sequence[events.Observer] = (),
    cache: Cache | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[Run]:
    """Run a workflow `runs` times (with a cache in memory from the second on) and give the last run.

    What it wrote is there until the block ends. A node that raises is part of what the run gave; what keeps a workflow
    from running at all is raised as by weft.run. `defined`: what the workflow says of itself as a test holds, and
    NeedsGpu is raised where it asks for one in vain.
    """
    with TemporaryDirectory(prefix="weft-test-") as place:
        golden_says = {name: "the golden" for name in how.settings if name not in options.settings}
        session = Session(
            sources={**golden_says, **options.sources},
            models=options.models,
            input=options.input,
            output=Path(place) / "output",
            temp=Path(place) / "temp",
            device=options.device,
            dtype=options.dtype,
            **{**how.settings, **options.settings, **options.code},
            registry=registry,
            cache=cache if cache is not None else MemoryCache() if runs > 1 else None,
        )
        prompt = session.read(workflow, how.overrides or None)
        definition = definition_of(prompt, session.registry) if defined else None
        _check_device(session.settings, definition, instrument)
        for _ in range(runs):
            run = _once(session, prompt, definition, how, instrument, wants, observers, cancel)
        yield run


def _check_device(settings: Settings, definition: Definition | None, instrument: Instrument) -> None:
    """Raise NeedsGpu where a test asks for a GPU that is not used, UsageError for a device that is not there."""
    gpu_test = definition if definition is not None and definition.needs_gpu else None
    try:
        device = instrument.environment(settings.device, settings.dtype)["device"]
    except ValueError as error:
        if gpu_test is not None:
            raise NeedsGpu(gpu_test, "there is none here") from error
        raise UsageError(str(error), hint=another_device(settings)) from error
    if gpu_test is not None and device != "cuda":
        raise NeedsGpu(gpu_test, f"the device here is {device}")


def _once(
    session: Session,
    prompt: Prompt,
    definition: Definition | None,
    how: How,
    instrument: Instrument,
    wants: Wants,
    observers: Sequence[events.Observer],
    cancel: CancelToken | None,
) -> Run:
    targets = [*how.targets, *(passing(prompt, definition, session.registry) if definition is not None else ())]
    plan = session.plan(prompt, targets)
    recorder = Recorder(instrument, session.registry, session.folders_of(plan.lowered), session.digests, wants)
    settings = session.settings_of(prompt)
    making = session.packs.making(settings)
    now = how.as_made(making)
    run = Run(
        recorder.recording(settings, making),
        recorder.tensors,
        now,
        partial(find_node, prompt, registry=session.registry),
        definition=definition,
    )

    def failed(error: NodeError) -> None:
        step = next((step for step in plan.steps if step.node_id == error.node_id), None)
        if step is not None:
            recorder.failed(step)
        message = f"{error.message} ({error.hint})" if error.hint else error.message
        run.failed[error.node_id] = NodeVerdict(error.node_id, error.title, error.class_type, FAILED, message=message)

    def spare(error: NodeError) -> bool:
        asserts = error.class_type in session.packs.self_tests.assertions
        if asserts:
            failed(error)
        return asserts

    started = time.perf_counter()
    limit = CancelToken(cancel)
    with instrument.counter() as tally:
        watching: tuple[events.Observer, ...] = (*observers, _Watcher(run, tally, limit))
        try:
            result = session.execute(plan, watching, watch=recorder, spare=spare, cancel=limit)
            run.cached = result.cached
            run.failed |= unmade(result, session.packs.self_tests.assertions)
        except NodeError as error:
            failed(error)
            run.ended = True
        except Interrupted:
            if not run.late:
                raise
            run.ended = True
    run.total = time.perf_counter() - started
    if definition is not None and run.total > definition.seconds:
        run.late = run.late or f"{run.total:.1f} s"
    run.recording = recorder.recording(settings, making)
    if run.ended:
        known = {*run.recording.nodes, *run.failed}
        run.waiting = {step.node_id: _unseen(step) for step in plan.steps if step.node_id not in known}
    return run


def unmade(result: RunResult, assertions: Collection[str]) -> dict[str, NodeVerdict]:
    """The assertions that did not look at all that they should, since it was blocked: such a one has not held."""
    found: dict[str, NodeVerdict] = {}
    for node_id, count in result.blocked.items():
        known = result.plan.nodes[node_id]
        if known.schema.class_type in assertions:
            message = f"what it looks at is blocked: {count} of its calls were not made"
            found[node_id] = NodeVerdict(node_id, known.title, known.schema.class_type, FAILED, message=message)
    return found


def _unseen(step: Step) -> NodeVerdict:
    return NodeVerdict(
        step.node_id, step.title, step.schema.class_type, UNSEEN, sources=tuple(dict.fromkeys(step.parents))
    )
