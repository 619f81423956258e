"""Runs with the cache in a folder: they give what they give without it, and compute what is not in it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from weft import DiskCache, MemoryCache, Session
from weft.engine.cache.code import own_digest

from ..edits import World


def test_a_second_process_calls_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, random.Random(5), ("Start", "Add", "Fill", "Measure", "Grow", "Plot", "Write"))
    called = []
    for _ in range(2):
        disk = DiskCache(tmp_path / "c", codecs=World.codecs)
        called.append(world.run(world.session(tmp_path, disk)).timings)
        disk.close()
    assert len(called[0]) > 3 and not called[1]


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
    for file in (picture, files[0]):
        file.unlink()
        file.symlink_to(file)
    assert run()[0] == ["the files that it wrote are gone"]
    for file in (tmp_path / "out").iterdir():
        file.unlink()
    assert run() == (["the files that it wrote are gone"], [picture])
    assert picture.read_bytes() == content


def test_another_version_of_weft_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(cache=MemoryCache(), device="cpu")
    before = session.namespace(session.settings)
    assert len(own_digest()) == 32
    monkeypatch.setattr("weft.engine.session.own_digest", lambda: "0" * 32)
    assert session.namespace(session.settings) != before
