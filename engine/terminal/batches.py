"""The workflows of one `weft run`: all are checked first, then run, each so many times; `--keep-going` goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class _Job(NamedTuple):
    workflow: str
    prompt: Prompt
    targets: Sequence[str]


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
) -> None:
    """Run the workflows one after the other, each `count` times.

    Without `keep_going` the first failure is raised, before anything runs where it is seen by then. With it the other
    workflows run, and of an invalid one those outputs that nothing is wrong with; the answer has told of each failure.
    """
    several = len(workflows) > 1
    answer.waiting = list(workflows) if several else []

    def job(workflow: str) -> _Job:
        try:
            return checked(workflow, targets or only, only)
        except InvalidWorkflow as error:
            if not (keep_going and error.sound):
                raise
            answer.told(error, f"running what nothing is wrong with: node {', '.join(error.sound)}")
            return checked(workflow, error.sound, error.sound)

    def checked(workflow: str, wanted: Sequence[str], nodes: Sequence[str]) -> _Job:
        prompt = read(workflow, nodes)
        if count > 1:
            session.next(prompt)  # refuses what has no next run
        if several or keep_going:
            session.plan(prompt, wanted)  # refuses what is invalid
        return _Job(workflow, prompt, wanted)

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

    jobs: list[_Job] = []

    def check(workflow: str) -> None:
        jobs.append(job(workflow))

    for workflow in workflows:
        attempt(workflow, partial(check, workflow))
    answer.waiting = [job.workflow for job in jobs] if several else []
    for one in jobs:
        attempt(one.workflow, partial(_run, session, answer, one, count))


def _run(session: Session, answer: Answer, job: _Job, count: int) -> None:
    answer.begun(job.workflow)
    prompt = job.prompt
    for note in told(session, prompt, answer) if not answer.quiet else ():
        answer.warn(str(note))
    for number in range(count):
        prompt = session.next(prompt) if number else prompt
        with answer.watching() as observers:
            planned = session.plan(prompt, job.targets, values=False)
            if number and session.repeats(prompt, planned):
                answer.remark(
                    f"nothing changes from run to run, every seed is fixed: this is one run and not {count} "
                    "(--seed random draws new seeds, --seed increment counts them up)"
                )
                break
            session.packs.check(session.settings)
            result = session.execute(planned, observers, cancel=answer.token)
        answer.ran(result, session.seeds(planned.lowered.source))
