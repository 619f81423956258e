"""The workflows of one `weft run`: all are checked first, then run, each so many times; `--keep-going` goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from weft.engine.errors import Interrupted, InvalidWorkflow
from weft.engine.terminal.answer import Answer
from weft.engine.terminal.linting import told

if TYPE_CHECKING:
    from weft.engine.session import Session
    from weft.engine.workflow.prompt import Prompt

Read = Callable[[str, Sequence[str]], "Prompt"]
"""Reads a workflow; with nodes, nothing but these and what they depend on."""


class WorkflowJob(NamedTuple):
    """A workflow that was read and checked, and what is wanted of it."""

    workflow: str
    prompt: Prompt
    targets: Sequence[str]


RunJob = Callable[[int, WorkflowJob], None]
"""Runs a workflow, the how manieth it is, and has the answer say what came of it."""

Elsewhere = Callable[[Sequence[WorkflowJob]], AbstractContextManager[RunJob]]
"""What runs workflows in other processes; each is asked for in its turn."""


def run_all(
    session: Session,
    answer: Answer,
    workflows: Sequence[str],
    read: Read,
    *,
    targets: Sequence[str] = (),
    only: Sequence[str] = (),
    count: int = 1,
    keep_going: bool = False,
    elsewhere: Elsewhere | None = None,
) -> None:
    """Run the workflows one after the other, each `count` times; `elsewhere` runs them once, if there is one.

    Without `keep_going` the first failure is raised, before anything runs where it is seen by then. With it the other
    workflows run, and of an invalid one those outputs that nothing is wrong with; the answer has told of each failure.
    """
    several = len(workflows) > 1
    answer.waiting = list(workflows) if several else []

    def job(workflow: str) -> WorkflowJob:
        try:
            return checked(workflow, targets or only, only)
        except InvalidWorkflow as error:
            if not (keep_going and error.sound):
                raise
            answer.told(error, f"running what nothing is wrong with: node {', '.join(error.sound)}")
            return checked(workflow, error.sound, error.sound)

    def checked(workflow: str, wanted: Sequence[str], nodes: Sequence[str]) -> WorkflowJob:
        prompt = read(workflow, nodes)
        if count > 1:
            session.next(prompt)  # refuses what has no next run
        if several or keep_going or elsewhere is not None:
            session.plan(prompt, wanted)  # refuses what is invalid
        return WorkflowJob(workflow, prompt, wanted)

    def attempt(workflow: str, act: Callable[[], None]) -> None:
        answer.subject = workflow if several else ""
        try:
            act()
        except Interrupted:
            raise
        except Exception as error:
            if not keep_going or answer.stop.number:
                raise
            answer.told(error)

    jobs: list[WorkflowJob] = []

    def check(workflow: str) -> None:
        jobs.append(job(workflow))

    for workflow in workflows:
        attempt(workflow, partial(check, workflow))
    answer.waiting = [job.workflow for job in jobs] if several else []
    with elsewhere(jobs) if elsewhere is not None else nullcontext(partial(_run, session, answer, count)) as run:
        for number, one in enumerate(jobs):
            attempt(one.workflow, partial(run, number, one))


def remarks(session: Session, prompt: Prompt, answer: Answer) -> None:
    """Warn of what runs and gives another picture than was meant."""
    for note in told(session, prompt, answer) if not answer.quiet else ():
        answer.foretell(note)


def _run(session: Session, answer: Answer, count: int, number: int, job: WorkflowJob) -> None:
    answer.begun(job.workflow)
    prompt = job.prompt
    remarks(session, prompt, answer)
    for turn in range(count):
        prompt = session.next(prompt) if turn else prompt
        with answer.watching() as observers:
            planned = session.plan(prompt, job.targets, values=False)
            if turn and session.repeats(prompt, planned):
                answer.remark(
                    f"nothing changes from run to run, every seed is fixed: this is one run and not {count} "
                    "(--seed random draws new seeds, --seed increment counts them up)"
                )
                break
            session.packs.check(session.settings)
            result = session.execute(planned, observers, cancel=answer.token)
        answer.ran(result, session.seeds(planned.lowered.source))
