"""The files of `weft run` on a cluster: workers compute what they need, this process writes what they give.

Results are handed over in the cache. Files are written here and in the order in which the workflows were given, so they
are called what they are called without a cluster. Invariants:

1. What a worker is sent first, it runs without the nodes at the end that name their files (`held`).
2. In its turn, a workflow runs here from the cache: nothing is called but what stands at its end.
3. Where that is not enough, since a node is volatile or no cache keeps what it gives, a worker runs the workflow whole,
   in its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from weft.engine.errors import Interrupted, NodeError, UsageError, WeftError
from weft.engine.events import Event, WorkerSaid
from weft.engine.planning.plan import Plan
from weft.engine.running.call import Call
from weft.engine.running.result import RunResult
from weft.engine.running.state import RunState
from weft.engine.running.work import Work
from weft.engine.session import Session
from weft.engine.spreading.errands import Bench, Errand
from weft.engine.spreading.errors import SentError
from weft.engine.spreading.rays import ray_pool
from weft.engine.spreading.retelling import Retelling
from weft.engine.spreading.schedule import Schedule, Task
from weft.engine.spreading.spread import Ended, Heard, Pool, Spread
from weft.engine.spreading.sweeps import LOAD, REST
from weft.engine.spreading.worker import plan_of
from weft.engine.terminal.answer import Answer
from weft.engine.terminal.batches import RunJob, WorkflowJob, remarks
from weft.engine.terminal.caches import CachePlaces
from weft.engine.terminal.progress import FilesView, Retold
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import FILE_PREFIX


def held(plan: Plan) -> list[str]:
    """The output nodes that nothing takes from and that name their files, or need not run, or do so in every run."""
    taken = {parent for step in plan.steps for parent in step.parents}
    ends = (step for step in plan.steps if step.schema.output_node and step.node_id not in taken)
    return [step.node_id for step in ends if FILE_PREFIX in step.inputs or step.key.volatile or not step.runs]


def computed(plan: Plan) -> dict[str, bytes]:
    """The keys of the nodes that a worker is to run, by id."""
    ends = set(held(plan))
    return {step.node_id: step.key.digest for step in plan.steps if step.runs and step.node_id not in ends}


def is_divisible(plan: Plan) -> bool:
    """Whether what stands at the end can be left to another process: all before it has a key, and names no files."""
    ends = set(held(plan))
    before = [step for step in plan.steps if step.runs and step.node_id not in ends]
    return not any(step.key.volatile or (step.schema.output_node and FILE_PREFIX in step.inputs) for step in before)


@dataclass(frozen=True)
class FileOutcome:
    """What came of a workflow in a worker: fields of its RunResult, or an error; `seeds` by NODE.INPUT."""

    result: dict[str, Any]
    error: SentError | None = None
    seeds: dict[str, Any] | None = None


_SENT = ("ui", "files", "previews", "timings", "cached", "warnings", "status", "loading", "blocked")
"""Fields of a RunResult that are plain data."""


@dataclass(frozen=True)
class FileErrand:
    """A workflow, run up to what is `held`, or `whole`."""

    number: int
    where: str
    prompt: Prompt
    targets: tuple[str, ...]
    whole: bool = False

    def run(self, bench: Bench) -> FileOutcome:
        session = bench.session
        try:
            plan = session.plan(self.prompt, self.targets, values=False)
            state = RunState.of(plan)
            if not self.whole:
                state.leave(held(plan))
            result = session.execute(plan, bench.observers, cancel=bench.token, state=state)
        except Interrupted:
            raise
        except Exception as error:
            return FileOutcome({}, SentError.of(error))
        return FileOutcome({name: getattr(result, name) for name in _SENT}, None, session.seeds(plan.lowered.source))

    def failed(self, message: str) -> FileOutcome:
        return FileOutcome({}, SentError.of(WeftError(message)))


class _NotKept(Exception):
    """The cache no longer has what a worker left there."""


class _Ends:
    """A driver that calls what stands at the end alone. What failed in a worker fails here with the same error."""

    def __init__(self, plan: Plan, error: NodeError | None) -> None:
        taken = {parent for step in plan.steps for parent in step.parents}
        self._ends = {step.node_id for step in plan.steps if step.schema.output_node and step.node_id not in taken}
        self._error = error

    def drive(self, work: Work) -> None:
        while (call := work.take()) is not None:
            if call.asynchronous:
                from weft.engine.running.overlap import AsyncDriver

                AsyncDriver(call).drive(work)
                return
            work.settle(call, call.perform() if self._is_end(call) else self._failure())

    def _is_end(self, call: Call) -> bool:
        return call.step.node_id in self._ends

    def _failure(self) -> NodeError:
        if self._error is None:
            raise _NotKept
        return self._error


class FilesOnCluster:
    """Runs the workflows of a command, each in its turn: `run`."""

    def __init__(self, session: Session, answer: Answer, jobs: Sequence[WorkflowJob], *, keep_going: bool) -> None:
        self._session = session
        self._answer = answer
        self._keep_going = keep_going
        self._errands = {
            number: FileErrand(number, job.workflow, job.prompt, tuple(job.targets)) for number, job in enumerate(jobs)
        }
        self._told: dict[int, list[Event]] = {number: [] for number in self._errands}
        self._outcomes: dict[int, FileOutcome] = {}
        plans = [session.plan(job.prompt, job.targets, values=False) for job in jobs]
        calls = list(session.model_calls(plans))
        self._tasks = {
            number: Task(
                number, frozenset(name for node in plan.nodes.values() for name in node.files), told.calls + REST
            )
            for number, (plan, told) in enumerate(zip(plans, calls, strict=True))
        }
        self._ahead = list(_ahead(plans))
        self._whole = {number for number, plan in enumerate(plans) if computed(plan) and not is_divisible(plan)}

    @property
    def sent(self) -> int:
        """How many workflows a worker is given, as far as is known yet."""
        return len(self._ahead) + len(self._whole)

    @contextmanager
    def on(self, pool: Pool) -> Iterator[RunJob]:
        """What runs a workflow, by its place, while the block lasts."""
        # Neighbours share models.
        by_models: dict[Any, list[Task]] = {}
        for number in self._ahead:
            by_models.setdefault(self._tasks[number].affinity, []).append(self._tasks[number])
        self._schedule = Schedule([task for tasks in by_models.values() for task in tasks], LOAD)
        shown = not (self._answer.quiet or self._answer.as_events)
        with FilesView(self._answer.err, len(self._errands), shown=shown) as self._view:
            self._spread = Spread(
                pool,
                self._schedule,
                self._errands,
                self._answer.stop.token,
                started=self._started,
                heard=self._heard,
                warn=self._answer.warn,
            )
            yield self.run

    def run(self, number: int, job: WorkflowJob) -> None:
        """Run a workflow, in its turn: what is not known of it yet is waited for."""
        answer, session, errand = self._answer, self._session, self._errands[number]
        answer.begun(job.workflow)
        remarks(session, job.prompt, answer)
        outcome = self._awaited(number) if number in self._ahead else None
        if number not in self._whole:
            # What targets gave is shown: it is here only if it is asked of the cache.
            plan = session.plan(errand.prompt, errand.targets, values=outcome is not None)
            if (outcome is not None and outcome.error is not None) or not computed(plan):
                try:
                    self._from_cache(number, plan, outcome)
                    return
                except _NotKept:
                    pass
        self._by_a_worker(number)

    def _from_cache(self, number: int, plan: Plan, outcome: FileOutcome | None) -> None:
        error = outcome.error.received() if outcome is not None and outcome.error is not None else None
        with self._answer.watching(Retold) as observers:
            retelling = Retelling(self._told[number], observers)
            if error is not None and not isinstance(error, NodeError):
                raise error
            driver = _Ends(plan, error)
            result = self._session.execute(plan, [retelling.hear], cancel=self._answer.token, driver=driver)
        if outcome is not None:
            result = _joined(outcome.result, result)
        with self._view.aside():
            self._answer.ran(result, self._session.seeds(plan.lowered.source))

    def _by_a_worker(self, number: int) -> None:
        """Have a worker run a workflow from its beginning to its end, in its turn."""
        self._errands[number] = replace(self._errands[number], whole=True)
        self._schedule.add(self._tasks[number])
        outcome = self._awaited(number)
        errand, answer = self._errands[number], self._answer
        with answer.watching(Retold) as observers:
            for event in self._told[number]:
                for observer in observers:
                    observer(event)
            if outcome.error is not None:
                raise outcome.error.received()
        plan = self._session.plan(errand.prompt, errand.targets, values=False)
        given = {**outcome.result, "outputs": {}, "plan": plan, "registry": self._session.registry}
        with self._view.aside():
            answer.ran(RunResult(**given), outcome.seeds or {})

    def _awaited(self, number: int) -> FileOutcome:
        results = self._spread.results()
        while number not in self._outcomes:
            ended, outcome = next(results)
            self._outcomes[ended] = outcome
            self._view.end(ended)
            if outcome.error is not None and not self._keep_going:
                self._schedule.drop([other for other in self._errands if other > ended])
        return self._outcomes.pop(number)

    def _started(self, worker: str, errand: Errand) -> None:
        # Of one that died, what it told is told anew.
        self._told[errand.number].clear()
        self._view.lanes.begin(errand.number, f"worker {worker}: {errand.where}")

    def _heard(self, errand: Errand, event: Event) -> None:
        if not isinstance(event, WorkerSaid):
            self._told[errand.number].append(event)
            self._view.lanes.hear(errand.number, event)
        elif self._answer.as_events:
            self._answer.record(event.to_json())
        elif not self._answer.quiet:
            self._answer.err.line(f"worker {event.worker}: {event.line}")


def _ahead(plans: Sequence[Plan]) -> Iterator[int]:
    """The plans of which something is computed that none before them computes, and that can be divided."""
    known: set[bytes] = set()
    for number, plan in enumerate(plans):
        new = set(computed(plan).values()) - known
        if new and is_divisible(plan):
            known |= new
            yield number


def _joined(before: dict[str, Any], result: RunResult) -> RunResult:
    """The result of a run of which a worker did the first part."""
    if not before:
        return result
    timings = {**before["timings"], **result.timings}
    cached = dict.fromkeys((*before["cached"], *result.cached))
    return replace(
        result,
        timings=timings,
        cached=tuple(node_id for node_id in cached if node_id not in timings),
        warnings=tuple(dict.fromkeys((*before["warnings"], *result.warnings))),
        loading=before["loading"] + result.loading,
        blocked={**before["blocked"], **result.blocked},
    )


class _Later:
    """A pool that is opened when there is something to do."""

    def __init__(self, enter: Callable[[], Pool]) -> None:
        self._enter = enter

    @cached_property
    def _pool(self) -> Pool:
        return self._enter()

    @property
    def workers(self) -> Iterable[str]:
        return self._pool.workers

    def submit(self, worker: str, errand: Errand) -> None:
        self._pool.submit(worker, errand)

    def wait(self, seconds: float) -> Iterable[Heard | Ended]:
        return self._pool.wait(seconds)


@contextmanager
def files_on_cluster(
    session: Session,
    answer: Answer,
    address: str,
    workers: int | None,
    places: CachePlaces,
    keep_going: bool,
    jobs: Sequence[WorkflowJob],
) -> Iterator[RunJob]:
    """What runs the workflows of a command on the cluster at this address.

    Raises UsageError where there is no cache, which hands over what workers compute.
    """
    if not any(places):
        raise UsageError(
            "--ray hands on what workers compute in a cache, and there is none", hint="--cache DIR, --store URL"
        )
    cluster = FilesOnCluster(session, answer, jobs, keep_going=keep_going)
    most = min(workers or len(jobs), max(1, cluster.sent))
    with ExitStack() as stack:
        pool = _Later(lambda: stack.enter_context(ray_pool(address, plan_of(session, places), most)))
        yield stack.enter_context(cluster.on(pool))
