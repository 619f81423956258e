"""Who runs which job: order, affinity, halves, losses."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from weft.engine.spreading.schedule import LIVES, Schedule, Task


def jobs(*stretches: tuple[str, int], cost: float = 1.0) -> list[Task]:
    """So many jobs of each affinity, numbered from 1."""
    found: list[Task] = []
    for affinity, count in stretches:
        found += [Task(len(found) + each, affinity, cost) for each in range(1, count + 1)]
    return found


def numbers(schedule: Schedule, workers: Sequence[str]) -> dict[str, list[int]]:
    """What each worker runs where all take the same time."""
    found: dict[str, list[int]] = {worker: [] for worker in workers}
    while schedule.unfinished:
        took = [worker for worker in workers if (job := schedule.take(worker)) and not found[worker].append(job.number)]
        for worker in took:
            schedule.done(worker)
    return found


def test_one_worker_runs_all_in_their_order() -> None:
    assert numbers(Schedule(jobs(("a", 3), ("b", 2))), "x") == {"x": [1, 2, 3, 4, 5]}


def test_two_workers_take_a_model_each_and_neighbours_stay_together() -> None:
    assert numbers(Schedule(jobs(("a", 4), ("b", 4)), load=5.0), "xy") == {"x": [1, 2, 3, 4], "y": [5, 6, 7, 8]}


def test_a_worker_without_work_takes_the_later_half_of_the_dearest() -> None:
    assert numbers(Schedule(jobs(("a", 9))), "xy") == {"x": [1, 2, 3, 4, 5], "y": [6, 7, 8, 9]}


def test_a_half_that_is_not_worth_its_models_is_left() -> None:
    schedule = Schedule(jobs(("a", 4), ("b", 1)), load=10.0)
    assert numbers(schedule, "xy") == {"x": [1, 2, 3, 4], "y": [5]}


def test_a_warm_worker_takes_more_of_its_model_first() -> None:
    schedule = Schedule(jobs(("a", 1), ("b", 5), ("a", 1)))
    assert schedule.take("x").number == 2  # type: ignore[union-attr]
    assert schedule.take("y").number in (1, 7)  # type: ignore[union-attr]
    schedule.done("y")
    assert schedule.take("y").affinity == "a"  # type: ignore[union-attr]


def test_the_job_of_a_worker_that_died_runs_again_first_and_is_given_up_after_some() -> None:
    schedule = Schedule(jobs(("a", 3)))
    for life in range(LIVES):
        assert schedule.take(f"w{life}").number == 1  # type: ignore[union-attr]
        given_up = schedule.lost(f"w{life}")
        assert (given_up is not None) is (life == LIVES - 1)
    assert schedule.unfinished == 2
    assert numbers(schedule, "x") == {"x": [2, 3]}
    assert schedule.lost("nobody") is None


def test_a_job_that_had_not_begun_runs_again_first_and_is_never_given_up() -> None:
    schedule = Schedule(jobs(("a", 3)))
    for life in range(2 * LIVES):
        assert schedule.take(f"w{life}").number == 1  # type: ignore[union-attr]
        assert schedule.lost(f"w{life}", begun=False) is None
    assert numbers(schedule, "x") == {"x": [1, 2, 3]}


def test_jobs_are_added_in_front_and_dropped_wherever_they_wait() -> None:
    schedule = Schedule(jobs(("a", 4), ("b", 3)))
    assert schedule.take("x").number == 1  # type: ignore[union-attr]
    schedule.add(Task(9, "b"))
    schedule.drop([1, 3, 4, 6])
    assert schedule.unfinished == 5
    schedule.done("x")
    assert numbers(schedule, "x") == {"x": [9, 2, 5, 7]}


def test_a_worker_has_one_job_at_a_time() -> None:
    schedule = Schedule(jobs(("a", 2)))
    schedule.take("x")
    with pytest.raises(ValueError, match="worker x has task 1"):
        schedule.take("x")
    schedule.done("x")
    with pytest.raises(ValueError, match="worker x has no task"):
        schedule.done("x")


@pytest.mark.parametrize("seed", range(30))
def test_every_job_is_done_once_whatever_happens(seed: int) -> None:
    chance = random.Random(seed)
    count = chance.randrange(1, 60)
    given = [Task(number, chance.choice("abc"), chance.random()) for number in range(count)]
    schedule = Schedule(sorted(given, key=lambda job: str(job.affinity)), load=chance.choice([0.0, 0.5, 3.0]))
    workers, running, ended = ["x", "y", "z"], dict[str, int](), list[int]()
    while schedule.unfinished:
        worker = chance.choice(workers)
        if worker not in running:
            job = schedule.take(worker)
            if job is not None:
                running[worker] = job.number
            elif not running:
                # Whoever has a stretch goes on with it.
                took = next((other, job) for other in workers if (job := schedule.take(other)) is not None)
                running[took[0]] = took[1].number
        elif chance.random() < 0.1:
            del running[worker]
            given_up = schedule.lost(worker)
            ended += [given_up.number] if given_up is not None else []
        else:
            assert schedule.done(worker).number == running[worker]
            ended.append(running.pop(worker))
    assert sorted(ended) == list(range(count))


def test_what_a_half_takes_grows_with_its_jobs() -> None:
    reads = 0

    class Counted(Task):
        def __getattribute__(self, name: str) -> object:
            nonlocal reads
            reads += name == "cost"
            return super().__getattribute__(name)

    schedule = Schedule([Counted(number) for number in range(500)])
    assert schedule.take("x") is not None
    assert schedule.take("y") is not None
    assert reads < 20 * 500
