"""The thread that carries out jobs, one after the other, whatever becomes of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from weft.engine.errors import Interrupted, InvalidWorkflow
from weft.engine.loops import one_loop
from weft.engine.planning.plan import Known, Plan, Planner
from weft.engine.running.state import RunState
from weft.engine.serving.heap import give_back
from weft.engine.serving.intake import ServedPrompt, part_of
from weft.engine.serving.job import Done, Job
from weft.engine.serving.queue import JobQueue
from weft.engine.serving.rounds import RoundCache
from weft.engine.serving.sockets import Sockets
from weft.engine.serving.telling import NodeShown, Telling
from weft.engine.session import Session
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import coerced

IDLE = 1.0
"""Seconds without a job after which memory that nobody uses is given back."""
_MOST_SHOWN = 10_000
"""Nodes that expanded of which it is remembered what those inside showed."""


class ServingSession(Session):
    """A session whose runs tell nodes and files what the client said, and nothing else."""

    def given(self, prompt: Prompt) -> dict[str, Any]:
        return prompt.whole if isinstance(prompt, ServedPrompt) else super().given(prompt)

    def carried(self, prompt: Prompt) -> dict[str, Any]:
        return dict(prompt.extra_pnginfo)


class JobRunner:
    """Takes jobs from the queue and runs them, in a thread of its own. What a job raises ends that job alone.

    `rounds` is the part of the session's cache that lives from prompt to prompt. `log` is told what goes on,
    `method` is that of previews.
    """

    def __init__(
        self,
        session: Session,
        queue: JobQueue,
        sockets: Sockets,
        rounds: RoundCache,
        log: Callable[..., None],
        method: str = "",
    ) -> None:
        self._method = method
        self._session = session
        self._queue = queue
        self._sockets = sockets
        self._rounds = rounds
        self._log = log
        self._shown: dict[bytes, NodeShown] = {}
        self._freeing: dict[str, bool] = {}
        self._telling: Telling | None = None
        self._thread = threading.Thread(target=self._work, name="runner", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait for the running job to end; whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def telling(self) -> Telling | None:
        """What is told of the running job."""
        return self._telling

    @property
    def current(self) -> str | None:
        """The node that the running job is at."""
        telling = self._telling
        return telling.current or None if telling is not None else None

    def free(self, *, models: bool, memory: bool) -> None:
        """Let go of what was kept, before the next job."""
        if memory:
            self._freeing["memory"] = True
        if models:
            self._freeing["models"] = True

    def _work(self) -> None:
        with one_loop():
            self._take_jobs()

    def _take_jobs(self) -> None:
        busy = False
        while True:
            job = self._queue.take(timeout=IDLE)
            if self._freeing:
                self._free()
            if job is not None:
                self._carry_out(job)
            elif self._queue.closed:
                return
            elif busy:
                give_back()
            busy = job is not None

    def _free(self) -> None:
        asked, self._freeing = self._freeing, {}
        if asked.get("memory"):
            self._rounds.clear()
            self._shown.clear()
        if asked.get("models"):
            self._rounds.forget_models()
        give_back()

    def _carry_out(self, job: Job) -> None:
        job.started = time.time()
        telling = self._telling = Telling(job, self._sockets, self._method)
        telling.shown = self._shown
        status = "error"
        self._log("started", job)
        try:
            telling.begin()
            self._run(job, telling)
            telling.succeeded()
            status = "success"
        except Interrupted:
            telling.interrupted()
            status = "interrupted"
        except BaseException as error:  # a node may raise anything, SystemExit too
            telling.failed(error)
        finally:
            self._telling = None
            self._end(job, telling, status)

    def _end(self, job: Job, telling: Telling, status: str) -> None:
        ended = time.time()
        succeeded = status == "success"
        entry = {
            "prompt": job.item,
            "outputs": telling.outputs,
            "status": {
                "status_str": "success" if succeeded else "error",
                "completed": succeeded,
                "messages": telling.messages,
            },
            "meta": telling.meta,
        }
        try:
            self._queue.finish(Done(entry, job.created, job.started or ended, ended))
        except Exception as error:  # a disk that is full, say: the next job runs all the same
            self._log("not_kept", job, why=f"{type(error).__name__}: {error}")
        self._log(status, job, seconds=round(ended - (job.started or ended), 3))
        if job.client_id is not None:
            self._sockets.say("executing", {"node": None, "prompt_id": job.prompt_id}, job.client_id)
        while len(self._shown) > _MOST_SHOWN:
            del self._shown[next(iter(self._shown))]

    def _run(self, job: Job, telling: Telling) -> None:
        session = self._session
        if job.lowered is None:
            job.lowered, issues = session.prepared(part_of(job))
            if issues:
                raise InvalidWorkflow(issues)
        lowered = job.lowered
        plan = session.planned(lowered, values=False)
        state = RunState.of(plan)
        telling.nodes = state.nodes
        planner = session.planner(lowered)
        known = dict(all_nodes(planner, plan, job))
        addresses = {node_id: planner.address(each.schema, each.key) for node_id, each in known.items()}
        self._rounds.begin(set(addresses.values()), {name: node["class_type"] for name, node in job.prompt.items()})
        found = {step.node_id: step.hit for step in plan.steps if step.hit is not None}
        looked_at = {step.node_id for step in plan.steps}
        for node_id, each in known.items():
            hit = planner.find(each.schema, each.key) if node_id not in looked_at else None
            if hit is not None and planner.still_there(hit):
                found[node_id] = hit
        telling.cached([node_id for node_id in job.prompt if node_id in found])

        def finished(step: Any, entry: Any) -> None:
            if step.origin is not None:
                owner = step.origin.real
                address = planner.address(step.schema, step.key)
                self._rounds.belongs(address, owner, job.prompt[owner]["class_type"] if owner in job.prompt else "")
            telling.finished(step, entry)

        try:
            session.execute(plan, [telling], watch=finished, cancel=job.token, state=state)
        finally:
            for node_id, hit in found.items():
                if node_id not in telling.served and known[node_id].schema.output_node:
                    entry = planner.cache.load(hit)
                    if entry is not None and entry.ui:
                        telling.recall(node_id, known[node_id].key.digest, entry.ui)


def all_nodes(planner: Planner, plan: Plan, job: Job) -> Iterator[tuple[str, Known]]:
    """The nodes of the plan, and those of the prompt that no output asks for, as far as these have keys."""
    yield from plan.nodes.items()
    found: dict[str, Known] = dict(plan.nodes)
    prompt = Prompt.parse(job.prompt).nodes if any(name not in found for name in job.prompt) else {}
    from weft.engine.workflow.graph import PromptGraph

    if not prompt:
        return
    graph = PromptGraph(Prompt(prompt))
    if graph.cycles():
        return
    for node_id in graph.order(prompt):
        if node_id in found or any(parent not in found for parent in graph.parents[node_id]):
            continue
        # Whatever is wrong with it: nobody has asked for it.
        with suppress(Exception):
            node = prompt[node_id]
            runnable = planner.registry.runnable(node.class_type)
            if all(link.node_id in found for _, link in node.links):
                inputs: Mapping[str, Any] = coerced(node.inputs, runnable)
                found[node_id] = planner.know(node_id, "", runnable, inputs, found)
                yield node_id, found[node_id]
