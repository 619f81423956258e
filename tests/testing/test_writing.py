"""Goldens are written whole or not at all, whatever is in them and whatever happens meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from weft.engine import locks
from weft.engine.errors import UsageError, WeftError
from weft.engine.locks import locked
from weft.engine.testing import writing
from weft.engine.testing.goldens import golden_path, read_document, read_golden, self_digest
from weft.engine.testing.recording import keep, ran, record
from weft.engine.testing.verdicts import PASSED
from weft.engine.testing.writing import json_text
from weft.nodes.diffusion.testing import measures

from .conftest import Bench, node, simple

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_text_says_what_the_data_is(data: Any) -> None:
    assert json.loads(json_text(data)) == data


@pytest.mark.parametrize(
    "text", ["[ 1 ]", "red [ 1 ] apple", "[\n 1,\n 2\n]", '["a",  "b"]', "\\", '"[ 1 ]"', "\ud800", "\u2028", "a\\[ 1]"]
)
def test_no_title_and_no_text_breaks_a_golden(text: str, bench: Bench) -> None:
    workflow = simple()
    workflow["5"] = node("PreviewAny", text, source=text)
    golden = bench.record(workflow)
    shown = read_document(golden).nodes["5"]
    assert (shown.title, shown.inputs["source"]) == (text, text)
    assert bench.check().status == PASSED


def two_pictures(first: str, second: str) -> dict[str, Any]:
    """Two nodes of these ids that save different pictures."""
    workflow = simple()
    workflow[first] = workflow.pop("4")
    workflow[second] = node("SaveImage", images=["2", 0], filename_prefix="other")
    return workflow


@pytest.mark.parametrize(("first", "second"), [("10:5", "10_5"), ("a", "A"), ("x" * 200, "x" * 201), ("é", "ü")])
def test_ids_that_are_spelt_alike_in_a_file_name_share_no_picture(first: str, second: str, bench: Bench) -> None:
    golden = bench.record(two_pictures(first, second))
    names = read_document(golden).pictures.values()
    assert len({name.casefold() for name in names}) == 2
    assert bench.check().status == PASSED


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def changed() -> dict[str, Any]:
    workflow = two_pictures("4", "5")
    workflow["2"]["inputs"]["upscale_method"] = "lanczos"
    return workflow


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "stop"])
@pytest.mark.parametrize("at", range(4))
def test_what_was_there_stands_where_writing_ends_early(
    at: int, error: BaseException, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.record(simple())
    before = contents(bench.folder)
    path = bench.write(changed())
    run = ran(path, bench.instrument, read_document(golden_path(path)).how, options=bench.options)
    places: list[Path] = []

    def failing(place: Path, content: bytes, **_: str) -> None:
        if len(places) == at:
            raise error
        places.append(place)
        place.write_bytes(content)

    monkeypatch.setattr(writing, "write_whole", failing)
    wanted = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else WeftError
    with pytest.raises(wanted) as raised:
        keep(run, path, golden_path(path), bench.instrument)
    if wanted is WeftError:
        assert "w.golden.json: it cannot be written: No space left on device (what was there" in str(raised.value)
    path.write_bytes(before["w.json"])
    assert contents(bench.folder) == before
    assert bench.check().status == PASSED


def test_what_comes_after_the_rename_takes_nothing_from_the_new_golden(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.record(simple())
    path = bench.write(changed())
    whole = writing.write_whole

    def stopped(place: Path, content: bytes, **options: str) -> None:
        whole(place, content, **options)
        if place.suffix == ".json":
            raise KeyboardInterrupt

    monkeypatch.setattr(writing, "write_whole", stopped)
    with pytest.raises(KeyboardInterrupt):
        record(path, bench.instrument, options=bench.options)
    assert bench.check().status == PASSED
    assert len(read_document(golden_path(path)).pictures) == 2


def test_the_golden_is_written_last(bench: Bench) -> None:
    bench.record(simple())
    written = record(bench.write(changed()), bench.instrument, options=bench.options)
    assert [path.suffix for path in written] == [".json", ".png", ".png", ".safetensors"]
    assert sorted(contents(bench.folder)) == sorted(["w.json", *(path.name for path in written)])


def test_what_a_killed_process_left_goes_and_nothing_else(bench: Bench) -> None:
    golden = bench.record(simple())
    left = [
        ".w.golden.part", "w.golden.4.0.0123456789abcdef.png", "w.golden.0123456789abcdef.safetensors",
        "w.golden.safetensors", "w.golden.4.0.png",
    ]  # fmt: skip
    others = [
        ".0123456789abcdef.part", ".v.golden.part", "w.golden.x.golden.4.0.png", "w.golden.x.golden.json",
        "w.golden.notes.png", "w.test.toml", "v.golden.4.0.png", "w.golden.json.bak", ".w.golden.json",
    ]  # fmt: skip
    for name in (*left, *others):
        golden.with_name(name).write_bytes(b"")
    named = read_document(golden)
    bench.record(simple())
    found = set(contents(bench.folder))
    assert found == {*others, "w.json", "w.golden.json", str(named.tensor_file), *named.pictures.values()}


def test_tolerances_outlive_a_broken_golden(bench: Bench) -> None:
    golden = bench.record(simple())
    data = json.loads(golden.read_text())
    golden.write_text(json.dumps({**data, "digest": "", "tolerances": [{"type": "IMAGE", "class": "close"}]}))
    bench.record(simple())
    assert read_document(golden).tolerances == ({"type": "IMAGE", "class": "close"},)


def test_the_names_of_version_1_are_read(bench: Bench) -> None:
    golden = bench.record(simple())
    data = json.loads(golden.read_text())
    golden.with_name(data.pop("tensor_file")).rename(golden.with_name("w.golden.safetensors"))
    for digest, name in data["pictures"].items():
        golden.with_name(name).rename(golden.with_name("w.golden.4.0.png"))
        data["pictures"][digest] = "w.golden.4.0.png"
    data["version"] = 1
    golden.write_text(json.dumps({**data, "digest": self_digest(data)}))
    assert bench.check().status == PASSED
    bench.record(simple())
    assert not golden.with_name("w.golden.safetensors").exists()
    assert not golden.with_name("w.golden.4.0.png").exists()


def test_one_that_was_recorded_meanwhile_stands(bench: Bench) -> None:
    path = bench.write(simple())
    run = ran(path, bench.instrument, read_document(bench.record(simple(), "how")).how, options=bench.options)
    keep(run, path, golden_path(path), bench.instrument, new=True)
    before = contents(bench.folder)
    with pytest.raises(UsageError, match="recorded by another process meanwhile"):
        keep(run, path, golden_path(path), bench.instrument, new=True)
    assert contents(bench.folder) == before


def started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


class TestLock:
    @pytest.fixture
    def others(self, bench: Bench) -> Iterator[list[threading.Thread]]:
        threads: list[threading.Thread] = []
        yield threads
        for thread in threads:
            thread.join(10)

    def test_a_writer_waits_for_readers_and_a_reader_for_writers(
        self, bench: Bench, others: list[threading.Thread]
    ) -> None:
        golden = bench.record(simple())
        before = golden.read_bytes()
        path = bench.write(changed())
        read: list[object] = []
        with locked(bench.folder, shared=True):
            read_golden(golden, bench.instrument)
            others.append(started(lambda: record(path, bench.instrument, options=bench.options)))
            others[0].join(0.2)
            assert golden.read_bytes() == before
        others[0].join(10)
        assert golden.read_bytes() != before
        with locked(bench.folder):
            others.append(started(lambda: read.append(read_golden(golden, bench.instrument))))
            others[1].join(0.1)
            assert not read
        others[1].join(10)
        assert len(read) == 1

    def test_it_is_not_waited_for_for_ever(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(locks, "PATIENCE", 0.0)
        with (
            locked(bench.folder),
            pytest.raises(WeftError, match="another process has been writing in"),
            locked(bench.folder),
        ):
            pass

    def test_it_leaves_nothing_and_needs_no_folder(self, bench: Bench) -> None:
        before = contents(bench.folder)
        with locked(bench.folder), locked(bench.folder / "absent"):
            assert contents(bench.folder) == before


@pytest.mark.parametrize("dtype", [torch.uint16, torch.float8_e4m3fn, torch.uint32], ids=str)
def test_tensors_of_every_dtype_are_measured(dtype: torch.dtype) -> None:
    found = measures.facts(torch.tensor([1.0, 3.0]).to(dtype))
    assert (found["min"], found["max"], found["mean"], found["std"]) == (1, 3, 2, 1)
