"""Planted changes: the report names where each begins, and why. Harmless changes pass. `-s` prints the table."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from weft.engine.cache.memory import MemoryCache
from weft.engine.schema.authoring import node as as_node
from weft.engine.schema.authoring import read_function
from weft.engine.schema.registry import Registry
from weft.engine.testing.settings import Options
from weft.engine.testing.verdicts import PASSED, Verdict
from weft.nodes.core.types import Image as Picture
from weft.nodes.diffusion.sampling import spellings
from weft.nodes.diffusion.sampling.samplers import SAMPLERS
from weft.nodes.diffusion.sampling.samplers.interface import Sampler

from .conftest import Bench, drawing, node

ROWS: list[tuple[str, str, str, str]] = []


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Prints what was planted and what the report said."""
    yield
    widths = [max(len(row[column]) for row in ROWS) for column in range(3)] if ROWS else []
    for row in ROWS:
        print(
            "\n" + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]), end=""
        )
    ROWS.clear()


class World:
    """What a change may touch: the workflow, model and input folders of its own, the registry, the options.

    `cache` has what the workflow computed before the change; it is None where a key would not know of the change, and
    where a node is gone: with nodes that did not run, it could be one of them.
    """

    def __init__(self, folder: Path, options: Options, monkeypatch: pytest.MonkeyPatch, cache: MemoryCache) -> None:
        self.cache: MemoryCache | None = cache
        self.folder = folder
        self.workflow = drawing()
        self.options = options
        self.monkeypatch = monkeypatch
        self.registry: Registry | None = None

    def set(self, node_id: str, **inputs: Any) -> None:
        """Other inputs for a node."""
        self.workflow[node_id]["inputs"].update(inputs)

    def model(self, name: str) -> Path:
        """A place for a model file that comes before the one of this name."""
        assert self.options.models is not None
        path = self.folder / "other" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.options = replace(self.options, models=(self.folder / "other", *self.options.models))
        return path

    def original(self, name: str) -> Path:
        """The model file as it was."""
        assert self.options.models is not None
        return self.options.models[-1] / name

    def replace_node(self, function: Callable[..., Any]) -> None:
        """Another implementation of a node class."""
        self.cache = None
        self.registry = Registry.discover().add({read_function(function).schema.class_type: read_function(function)})


def change(node_id: str, **inputs: Any) -> Callable[[World], None]:
    return lambda world: world.set(node_id, **inputs)


def swapped_lora(world: World) -> None:
    lora = load_file(world.original("loras/weft-pixel.safetensors"))
    other = {key: -value if "lora_up" in key else value for key, value in lora.items()}
    save_file(other, world.model("loras/other.safetensors"))
    world.set("2", lora_name="other.safetensors")


def altered(name: str, key: str) -> Callable[[World], None]:
    """One weight of a model file, by a part of its key, is another."""

    def alter(world: World) -> None:
        tensors = load_file(world.original(name))
        found = next(full for full in tensors if key in full)
        tensors[found] = tensors[found] * 1.5
        save_file(tensors, world.model(name))

    return alter


def flipped_pixel(world: World) -> None:
    assert world.options.input is not None
    folder = world.folder / "pictures"
    folder.mkdir()
    values = numpy.array(Image.open(world.options.input / "start.png"))
    values[17, 23] ^= 255
    Image.fromarray(values).save(folder / "start.png")
    world.options = replace(world.options, input=folder)


def new_version(world: World) -> None:
    @as_node(category="image", class_type="ImageInvert", version=2)
    def inverted(*, image: Picture) -> Picture:
        return 0.99 - image

    world.replace_node(inverted)


def other_code(world: World) -> None:
    @as_node(category="image", class_type="ImageInvert")
    def inverted(*, image: Picture) -> Picture:
        return 0.99 - image

    world.replace_node(inverted)


def broken_code(world: World) -> None:
    @as_node(category="image", class_type="ImageInvert")
    def inverted(*, image: Picture) -> Picture:
        raise RuntimeError("no inversion today")

    world.replace_node(inverted)


def bug_in_one_step(world: World) -> None:
    heun = SAMPLERS["heun"]

    def buggy(model: Any, x: Any, sigmas: Any, steps: Any, noise: Any, state: Any, report: Any) -> Any:
        slips = lambda x, sigma: model(x, sigma) * (1.001 if sigma == sigmas[1] else 1.0)  # noqa: E731
        return heun.solve(slips, x, sigmas, steps, noise, state, report)

    world.cache = None
    world.monkeypatch.setattr(spellings, "SAMPLERS", {**SAMPLERS, "heun": Sampler(buggy)})


def exchanged_prompts(world: World) -> None:
    world.set("8", positive=["4", 0], negative=["3", 0])


def other_class(world: World) -> None:
    world.workflow["14"] = node("ImageBlur", image=["13", 0], blur_radius=1, sigma=1.0)


def inserted(world: World) -> None:
    world.workflow["20"] = node("ImageInvert", image=["9", 0])
    world.set("10", images=["20", 0])


def deleted_output(world: World) -> None:
    world.cache = None
    for node_id in ("12", "13", "14", "15", "16"):
        del world.workflow[node_id]


def half_precision(world: World) -> None:
    world.options = replace(world.options, dtype="bfloat16", tolerance="exact")


# What is planted: how, where the report has to say that it begins, and which kind of cause it has to name.
PLANTED: dict[str, tuple[Callable[[World], None], str, str, str]] = {
    "another seed": (change("8", seed=8), "8", "input", "'seed': 7 -> 8"),
    "cfg 7 to 7.01": (change("12", cfg=7.01), "12", "input", "'cfg': 7.0 -> 7.01"),
    "one step more": (change("12", steps=4), "12", "input", "'steps': 3 -> 4"),
    "another sampler": (change("8", sampler_name="heun"), "8", "input", "'sampler_name'"),
    "another scheduler": (change("8", scheduler="karras"), "8", "input", "'scheduler'"),
    "denoise 0.8 to 0.6": (change("8", denoise=0.6), "8", "input", "'denoise': 0.8 -> 0.6"),
    "another prompt": (change("3", text="a green apple"), "3", "input", "'text'"),
    "exchanged prompts": (exchanged_prompts, "8", "link", "'positive' comes from node 4"),
    "a swapped LoRA": (swapped_lora, "2", "input", "'lora_name'"),
    "a LoRA's strength": (change("2", strength_model=0.9), "2", "input", "'strength_model': 1.0 -> 0.9"),
    "an altered LoRA file": (altered("loras/weft-pixel.safetensors", "lora_up"), "2", "file", "weft-pixel"),
    "an altered UNet": (altered("checkpoints/weft-tiny.safetensors", "input_blocks.1.0.in_layers.2.weight"),
                        "1", "file", "weft-tiny"),
    "an altered text encoder": (altered("checkpoints/weft-tiny.safetensors", "layers.0.mlp.fc1.weight"),
                                "1", "file", "weft-tiny"),
    "a flipped pixel in the input": (flipped_pixel, "5", "file", "start.png"),
    "another resize method": (change("6", upscale_method="bicubic"), "6", "input", "'upscale_method'"),
    "another size": (change("11", width=72), "11", "input", "'width': 64 -> 72"),
    "new code, new version": (new_version, "14", "class", "version 2"),
    "new code, same version": (other_code, "14", "code", "it came from weft"),
    "a bug in one step of heun": (bug_in_one_step, "12", "output", "nothing but its output"),
    "code that raises": (broken_code, "14", "failure", "no inversion today"),
    "another class": (other_class, "14", "class", "was a ImageInvert"),
    "an inserted node": (inserted, "20", "new", "the golden has not"),
    "a deleted output": (deleted_output, "15", "missing", "the workflow has not"),
    "bfloat16 instead of float32": (half_precision, "3", "environment", "dtype: float32 -> bfloat16"),
}  # fmt: skip


def test_twenty_are_planted() -> None:
    assert len(PLANTED) >= 20


@pytest.fixture(scope="module")
def cache() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def world(drawn: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, cache: MemoryCache) -> World:
    shutil.copytree(drawn, bench.folder, dirs_exist_ok=True)
    return World(bench.folder, bench.options, monkeypatch, cache)


def verdict(world: World, bench: Bench) -> Verdict:
    return bench.check(world.workflow, options=world.options, registry=world.registry, cache=world.cache)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_change_is_found_where_it_begins(name: str, world: World, bench: Bench) -> None:
    plant, node_id, kind, told = PLANTED[name]
    plant(world)
    found = verdict(world, bench)
    assert not found.error
    assert found.first is not None, found.comparison.nodes
    ROWS.append((name, found.first.node.where, found.first.kind, found.first.cause))
    assert (found.first.node.node_id, found.first.kind) == (node_id, kind)
    assert told in found.first.cause
    assert len(found.comparison.divergences) == 1
    if kind == "environment":
        return  # everything may follow from that
    # What follows from anything else is what takes from it, and nothing else.
    below = {node_id}
    for verdict_ in found.comparison.nodes:
        if below & set(verdict_.sources):
            below.add(verdict_.node_id)
    assert set(found.first.consequences) <= below


def renumbered(world: World) -> None:
    ids = {old: str(100 - int(old)) for old in world.workflow}
    for entry in world.workflow.values():
        for name, value in entry["inputs"].items():
            if isinstance(value, list):
                entry["inputs"][name] = [ids[value[0]], value[1]]
    world.workflow = {ids[old]: entry for old, entry in world.workflow.items()}


def retitled(world: World) -> None:
    for node_id, entry in world.workflow.items():
        entry["_meta"] = {"title": f"Node no. {node_id}"}


def reordered(world: World) -> None:
    world.workflow = {
        node_id: {**entry, "inputs": dict(reversed(entry["inputs"].items()))}
        for node_id, entry in reversed(world.workflow.items())
    }


def renamed_model(world: World) -> None:
    shutil.copy(world.original("loras/weft-pixel.safetensors"), world.model("loras/renamed.safetensors"))
    world.set("2", lora_name="renamed.safetensors")


def touched(world: World) -> None:
    source = world.original("checkpoints/weft-tiny.safetensors")
    copied = shutil.copy(source, world.model("checkpoints/weft-tiny.safetensors"))
    os.utime(copied, (1, 1))


def another_prefix(world: World) -> None:
    world.set("10", filename_prefix="elsewhere/%year%/picture")


def unused(world: World) -> None:
    world.workflow["30"] = node("EmptyLatentImage", width=512, height=512, batch_size=4)


def whole_number(world: World) -> None:
    world.set("8", cfg=7, denoise=0.8)


def new_version_same_numbers(world: World) -> None:
    @as_node(category="image", class_type="ImageInvert", version=2)
    def inverted(*, image: Picture) -> Picture:
        return 1.0 - image

    world.replace_node(inverted)


def two_threads(world: World) -> None:
    world.cache = None
    before = torch.get_num_threads()
    world.monkeypatch.setattr(torch, "get_num_threads", lambda: before + 1)


def placed_elsewhere(world: World) -> None:
    from weft.engine.formats.editor import to_workflow
    from weft.engine.workflow.prompt import Prompt

    document = to_workflow(Prompt.parse(copy.deepcopy(world.workflow)), Registry.discover())
    for number, box in enumerate(document["nodes"]):
        box["pos"], box["color"], box["size"] = [number * 40, -300], "#233", [500, 400]
    document["groups"] = [{"title": "everything", "bounding": [0, 0, 9000, 9000], "color": "#3f789e"}]
    world.workflow = document


def nothing(world: World) -> None:
    world.cache = None


HARMLESS: dict[str, Callable[[World], None]] = {
    "nothing": nothing,
    "other ids": renumbered,
    "other titles": retitled,
    "another order": reordered,
    "the editor's save, moved and grouped": placed_elsewhere,
    "a renamed LoRA": renamed_model,
    "a copied checkpoint of another date": touched,
    "another file name": another_prefix,
    "a node that nothing takes from": unused,
    "7 for 7.0": whole_number,
    "new version, same numbers": new_version_same_numbers,
    "another thread count": two_threads,
}


def test_ten_are_harmless() -> None:
    assert len(HARMLESS) >= 10


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_change_passes(name: str, world: World, bench: Bench) -> None:
    HARMLESS[name](world)
    found = verdict(world, bench)
    ROWS.append((name, "passes", found.comparison.tolerance, "; ".join(found.comparison.notes)))
    assert found.status == PASSED, json.dumps(found.to_json(), indent=1)
