"""Goldens on disk: what is written, that it comes back, and what is said of one that is broken."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from weft.engine.testing.goldens import BrokenGolden, How, golden_path, read_golden, self_digest
from weft.engine.testing.records import GOLDEN_VERSION
from weft.engine.testing.verdicts import BROKEN, PASSED
from weft.engine.testing.writing import SMALL

from .conftest import Bench, node, simple


@pytest.fixture
def golden(bench: Bench) -> Path:
    return bench.record(simple())


def beside(golden: Path, suffix: str) -> Path:
    """The one file of this suffix that was written with a golden."""
    (found,) = golden.parent.glob(f"{golden.stem}.*.{suffix}")
    return found


def edit(golden: Path, change: Callable[[dict[str, Any]], object], *, sign: bool = False) -> None:
    """Change the JSON; `sign` gives it the digest of what it then is."""
    data = json.loads(golden.read_text())
    change(data)
    if sign:
        data["digest"] = self_digest(data)
    golden.write_text(json.dumps(data))


def test_name() -> None:
    assert golden_path(Path("a/portrait.json")) == Path("a/portrait.golden.json")
    assert golden_path(Path("portrait.api.json")) == Path("portrait.api.golden.json")
    assert golden_path(Path("portrait.png")) == Path("portrait.golden.json")


def test_how_remembers_the_settings_of_packs() -> None:
    how = How(targets=("3",)).under({"grain": "fine"})
    assert how.settings == {"grain": "fine"}
    made = how.as_made({"sampling": "comfy", "sampling_version": 1, "grain": "coarse", "prompt_schedule": True})
    assert made.settings == {"sampling": "comfy", "grain": "coarse"}
    assert How(sampling="comfy").model_dump(exclude_defaults=True) == {"sampling": "comfy"}
    assert How.model_validate(made.model_dump(exclude_defaults=True)) == made


def test_it_holds_each_node_and_where_it_was_made(golden: Path) -> None:
    data = json.loads(golden.read_text())
    assert data["format"] == "weft-golden"
    assert data["version"] == GOLDEN_VERSION
    assert data["workflow"] == "w.json"
    assert list(data["nodes"]) == ["1", "2", "3", "4"]
    scaled = data["nodes"]["2"]
    assert scaled["class_type"] == "ImageScale"
    assert scaled["inputs"]["upscale_method"] == "bilinear"
    assert scaled["links"] == {"image": ["1", 0]}
    leaf = scaled["values"][0]["leaves"][""]
    assert leaf["shape"] == [1, 64, 64, 3]
    assert 0 <= leaf["min"] < leaf["mean"] < leaf["max"] <= 1
    assert len(leaf["sample"]) == 16
    birth = data["birth"]
    assert {"weft", "sampling", "dtype", "device", "threads", "packages", "python", "platform", "date"} <= set(birth)
    assert birth["device"] == "cpu"
    assert list(birth["models"]) == ["input/start.png"]
    assert birth["independent"].startswith("no: self-made")


def test_it_names_no_folder_of_this_machine(golden: Path, pictures: Path) -> None:
    text = golden.read_text()
    assert str(golden.parent) not in text
    assert str(pictures) not in text


def test_it_reads_well(golden: Path) -> None:
    lines = golden.read_text().splitlines()
    assert any('"shape": [1, 64, 64, 3]' in line for line in lines)
    assert any('"image": ["1", 0]' in line for line in lines)


def test_pictures_and_tensors_come_back_exactly(golden: Path, bench: Bench) -> None:
    found = read_golden(golden, bench.instrument)
    (name,) = found.document.pictures.values()
    assert re.fullmatch(r"w\.golden\.4\.0\.[0-9a-f]{16}\.png", name)
    with Image.open(golden.with_name(name)) as picture:
        assert picture.size == (64, 64)
        assert not picture.info, "the golden's picture carries no workflow"
    shapes = {tuple(tensor.shape) for tensor in found.tensors.values()}
    assert shapes == {(1, 48, 48, 3), (1, 64, 64, 3), (1, 64, 64)}


def test_tensors_are_kept_as_asked(bench: Bench) -> None:
    none = read_golden(bench.record(simple(), "none", keep="none"), bench.instrument)
    assert not none.document.tensors
    assert none.document.pictures
    large = simple()
    large["2"]["inputs"].update(width=160, height=160)
    small = read_golden(bench.record(large, "small"), bench.instrument)
    everything = read_golden(bench.record(large, "all", keep="all"), bench.instrument)
    assert len(small.document.tensors) < len(everything.document.tensors)
    some = read_golden(bench.record(simple(), "some", keep="20"), bench.instrument)
    assert {tuple(tensor.shape) for tensor in some.tensors.values()} == {(1, 64, 64), (1, 64, 64, 3)}, "and a picture"
    assert len(some.document.tensors) == 1
    assert SMALL < 160 * 160 * 3 * 4


def test_a_second_recording_replaces_the_files_of_the_first(golden: Path, bench: Bench) -> None:
    edit(golden, lambda data: data.update(tolerances=[{"node": "2", "class": "close"}]))
    workflow = simple()
    workflow["5"] = workflow.pop("4")
    bench.record(workflow, keep="none")
    assert beside(golden, "png").name.startswith("w.golden.5.0.")
    assert not list(golden.parent.glob("*.safetensors"))
    assert json.loads(golden.read_text())["tolerances"] == [{"node": "2", "class": "close"}]


def test_tolerances_may_be_edited(golden: Path, bench: Bench) -> None:
    edit(golden, lambda data: data.update(tolerances=[{"type": "IMAGE", "max_abs": 0.1}]))
    assert bench.check().status == PASSED


def truncated(golden: Path) -> None:
    golden.write_text(golden.read_text()[:2000])


def newer(golden: Path) -> None:
    edit(golden, lambda data: data.update(version=GOLDEN_VERSION + 1), sign=True)


def no_golden(golden: Path) -> None:
    golden.write_text('{"nodes": {}}')


def tampered(golden: Path) -> None:
    edit(golden, lambda data: data["nodes"]["2"]["values"][0]["leaves"][""].update(mean=0.5))


def swapped_digest(golden: Path) -> None:
    edit(golden, lambda data: data["nodes"]["2"]["values"][0]["leaves"][""].update(digest="0" * 64))


def misspelt(golden: Path) -> None:
    edit(golden, lambda data: data["birth"].update(thread=1), sign=True)


def bad_tolerance(golden: Path) -> None:
    edit(golden, lambda data: data.update(tolerances=[{"max_abss": 0.1}]))


def no_text(golden: Path) -> None:
    golden.write_bytes(b"\xff\xfe\x00")


def retouched_picture(golden: Path) -> None:
    path = beside(golden, "png")
    with Image.open(path) as picture:
        picture.load()
        picture.putpixel((3, 4), (1, 2, 3))
        picture.save(path)


def lost_picture(golden: Path) -> None:
    beside(golden, "png").unlink()


def lost_tensors(golden: Path) -> None:
    beside(golden, "safetensors").unlink()


def damaged_tensors(golden: Path) -> None:
    path = beside(golden, "safetensors")
    path.write_bytes(path.read_bytes()[:-9])


def altered_tensors(golden: Path) -> None:
    path = beside(golden, "safetensors")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def lost_workflow(golden: Path) -> None:
    golden.with_name("w.json").unlink()


def of_another_name(golden: Path) -> None:
    edit(golden, lambda data: data.update(workflow="other.json"), sign=True)


def naming_nothing(golden: Path) -> None:
    edit(golden, lambda data: data.update(workflow=""), sign=True)


def naming_a_folder(golden: Path) -> None:
    edit(golden, lambda data: data.update(workflow=".."), sign=True)


def picture_without_a_name(golden: Path) -> None:
    edit(golden, lambda data: data["pictures"].update({"0" * 64: ""}), sign=True)


def tensors_elsewhere(golden: Path) -> None:
    edit(golden, lambda data: data.update(tensor_file="../x.safetensors"), sign=True)


def keeping_what(golden: Path) -> None:
    edit(golden, lambda data: data["how"].update(keep="smal"), sign=True)


def of_no_version(golden: Path) -> None:
    edit(golden, lambda data: data.update(version=0), sign=True)


def too_long_a_name(golden: Path) -> None:
    edit(golden, lambda data: data.update(workflow="w." + "x" * 300), sign=True)


def of_another_workflow(golden: Path) -> None:
    other = {"1": node("EmptyLatentImage", width=64, height=64, batch_size=1), "2": node("PreviewAny", source="x")}
    golden.with_name("w.json").write_text(json.dumps(other))


BREAKAGES = {
    truncated: "truncated or no JSON",
    newer: f"its version is {GOLDEN_VERSION + 1}, this Weft reads up to {GOLDEN_VERSION} (update Weft)",
    no_golden: 'does not say "format": "weft-golden"',
    tampered: "changed by hand",
    swapped_digest: "changed by hand",
    misspelt: "birth.thread: Extra inputs are not permitted",
    bad_tolerance: "w.golden.json tolerances 1: unknown key 'max_abss' (did you mean 'max_abs'?)",
    no_text: "no text in UTF-8",
    retouched_picture: ".png was changed since",
    lost_picture: ".png is missing or damaged",
    lost_tensors: "its tensors cannot be read",
    damaged_tensors: "its tensors cannot be read",
    altered_tensors: ".safetensors was changed since",
    lost_workflow: "its workflow w.json is not there",
    of_another_name: "it is of another workflow, recorded of 'other.json'",
    naming_nothing: "workflow: expected the name of a file beside the golden, got ''",
    naming_a_folder: "workflow: expected the name of a file beside the golden, got '..'",
    picture_without_a_name: "expected the name of a file beside the golden, got ''",
    tensors_elsewhere: "tensor_file: expected the name of a file beside the golden, got '../x.safetensors'",
    keeping_what: "how.keep: String should match pattern",
    of_no_version: "its version is 0, this Weft reads up to",
    too_long_a_name: "its workflow w.xxx",
    of_another_workflow: "it is of another workflow: 0 of its 4 nodes are in this one",
}


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_a_broken_golden_says_what_is_wrong(breakage: Callable[[Path], None], golden: Path, bench: Bench) -> None:
    breakage(golden)
    before = {path.name: path.read_bytes() for path in golden.parent.iterdir() if path.is_file()}
    verdict = bench.check()
    assert verdict.status == BROKEN
    assert BREAKAGES[breakage] in verdict.error
    assert str(golden.name) in verdict.error
    assert {path.name: path.read_bytes() for path in golden.parent.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("change", [{"sample": [1.0]}, {"min": None}, {"mean": None}], ids=str)
def test_a_tensor_of_which_less_is_known_differs(change: dict[str, Any], golden: Path, bench: Bench) -> None:
    """It is not there to be measured, and its numbers cannot be compared one by one."""

    def forget(data: dict[str, Any]) -> None:
        data["nodes"]["2"]["values"][0]["leaves"][""].update({"digest": "0" * 64, **change})

    edit(golden, forget, sign=True)
    verdict = bench.check()
    assert verdict.first is not None
    assert verdict.first.node.node_id == "2"


def test_a_copied_golden_is_refused(golden: Path, bench: Bench) -> None:
    shutil.copy(golden, golden.with_name("copy.golden.json"))
    bench.write(simple(), "copy")
    assert "recorded of 'w.json'" in bench.check(name="copy").error


def test_reading_names_the_file(golden: Path, bench: Bench) -> None:
    truncated(golden)
    with pytest.raises(BrokenGolden, match=str(golden)):
        read_golden(golden, bench.instrument)
