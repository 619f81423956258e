"""Runs with the cache in a folder: they give what they give without it, and compute what is not in it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft import DiskCache, MemoryCache, Registry, Session
from weft.engine.cache.code import own_digest
from weft.engine.cache.protocol import NoCache
from weft.engine.cache.tiers import Tiers
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Int, Socket

Number = Annotated[int, Socket("NUMBER")]
Opaque = Annotated[Any, Socket("OPAQUE")]


class Box:
    """A value that no codec knows."""

    def __init__(self, number: int) -> None:
        self.number = number


@node(category="check", output_node=True)
def Show(*, number: Number) -> Number:
    """Gives what it takes."""
    return number


@node(category="check")
def Start(*, value: Annotated[int, Int(default=0)]) -> Number:
    """Gives a number."""
    return value


@node(category="check")
def Add(*, one: Number, other: Number, more: Annotated[int, Int(default=0)] = 0) -> Number:
    """Gives a sum."""
    return one * 3 + other + more


@node(category="check")
def Pack1(*, number: Number) -> Opaque:
    """Gives what cannot be kept."""
    return Box(number)


@node(category="check")
def Unpack(*, box: Opaque) -> Number:
    """Takes it."""
    return int(box.number) + 1


NODES = {"Show": Show, "Start": Start, "Add": Add, "Pack1": Pack1, "Unpack": Unpack}


def random_graph(chance: random.Random) -> dict[str, Any]:
    graph: dict[str, Any] = {"0": {"class_type": "Start", "inputs": {"value": chance.randrange(4)}}}
    numbers, boxes = ["0"], []
    for number in range(1, chance.randrange(2, 9)):
        kind = chance.choice(["Start", "Add", "Add", "Pack1", *(["Unpack"] if boxes else [])])
        inputs: dict[str, Any] = {
            "Start": lambda: {"value": chance.randrange(4)},
            "Add": lambda: {
                "one": [chance.choice(numbers), 0], "other": [chance.choice(numbers), 0], "more": chance.randrange(2)},
            "Pack1": lambda: {"number": [chance.choice(numbers), 0]},
            "Unpack": lambda: {"box": [chance.choice(boxes), 0]},
        }[kind]()  # fmt: skip
        graph[str(number)] = {"class_type": kind, "inputs": inputs}
        (boxes if kind == "Pack1" else numbers).append(str(number))
    graph["end"] = {"class_type": "Show", "inputs": {"number": [numbers[-1], 0]}}
    return graph


def edited(graph: dict[str, Any], chance: random.Random) -> None:
    """Change one constant, or what the end shows."""
    constants = [(node, name) for node in graph.values() for name in ("value", "more") if name in node["inputs"]]
    found, name = chance.choice(constants)
    found["inputs"][name] = chance.randrange(4)


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32))
def test_a_run_with_a_cache_gives_what_the_run_without_it_gives(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = random.Random(seed)
    folder, registry = tmp_path_factory.mktemp("cache"), Registry(NODES)
    graph = random_graph(chance)
    memory = MemoryCache()
    plain = Session(registry=registry, cache=NoCache())
    for _ in range(8):
        # Each has a new object, as each process has; sometimes something is lost.
        disk = DiskCache(folder, max_bytes=chance.choice([10**9, 1500]), warn=lambda text: None)
        cache = disk if chance.random() < 0.6 else Tiers(memory, disk)
        session = Session(registry=registry, cache=cache)
        results = [
            each.execute(each.plan(each.read(graph), ["end"]), []).outputs["end"] for each in (plain, session, session)
        ]
        assert results[0] == results[1] == results[2]
        if disk.size().entries and chance.random() < 0.2:
            with disk._writing() as db:
                db.execute("UPDATE entries SET document = ? WHERE rowid % 2", (b"{}",))
        disk.close()
        edited(graph, chance)


def test_a_second_process_calls_nothing(tmp_path: Path) -> None:
    registry = Registry(NODES)
    graph = random_graph(random.Random(5))
    called = []
    for _ in range(2):
        disk = DiskCache(tmp_path / "c")
        session = Session(registry=registry, cache=disk)
        result = session.execute(session.plan(session.read(graph)), [])
        called.append(len(result.timings))
        disk.close()
    assert called[0] > 1 and called[1] == 0


def test_a_picture_that_is_another_one_now_is_written_again(tmp_path: Path) -> None:
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }

    def run() -> tuple[list[str], list[Path]]:
        disk = DiskCache(tmp_path / "c")
        session = Session(cache=disk, output=tmp_path / "out")
        plan = session.plan(session.read(graph))
        result = session.execute(plan, [])
        disk.close()
        return [step.reason for step in plan.steps if step.runs], list(result.files)

    _, (picture,) = run()
    content = picture.read_bytes()
    assert run() == ([], [picture])
    picture.write_bytes(b"another one")
    reasons, files = run()
    assert reasons == ["the files that it wrote have changed"] and files != [picture]
    assert files[0].read_bytes() == content
    picture.unlink()
    files[0].unlink()
    assert run() == (["the files that it wrote are gone"], [picture])
    assert picture.read_bytes() == content


def test_another_version_of_weft_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(cache=MemoryCache(), device="cpu")
    before = session.namespace(session.settings)
    assert len(own_digest()) == 32
    monkeypatch.setattr("weft.engine.session.own_digest", lambda: "0" * 32)
    assert session.namespace(session.settings) != before
