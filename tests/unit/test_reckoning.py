"""`weft plan --memory`: which models are on the device when, told from headers of files alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from weft.engine.links import Link
from weft.engine.reckoning import MemoryAccount
from weft.engine.settings import Settings
from weft.engine.terminal.reckoning import memory_lines
from weft.nodes.core.reckoning import reckoned
from weft.nodes.core.settings import SETTINGS

MIB = 1 << 20
BLOCK = (512, 1024)
TEXT = 128
"""MiB that reading a prompt is reckoned to take."""


def written(path: Path, shapes: Mapping[str, tuple[int, ...]], form: str = "F16") -> Path:
    """A file of these tensors that takes no room on the disk."""
    header, end, each = {}, 0, {"F16": 2, "F32": 4, "F8_E4M3": 1}[form]
    for key, shape in shapes.items():
        begin, end = end, end + math.prod(shape) * each
        header[key] = {"dtype": form, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end)
    return path


def blocks(count: int, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """So many MiB in float16, in as many blocks."""
    return {f"{prefix}blocks.{number}.weight": BLOCK for number in range(count)}


class Graph:
    """A plan of steps, each with the socket types that it gives."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}

    def add(self, title: str, gives: str, files: Mapping[str, Path] | None = None, **inputs: Any) -> str:
        outputs = [SimpleNamespace(io_type=each) for each in gives.split()]
        self.nodes[title] = SimpleNamespace(
            schema=SimpleNamespace(outputs=outputs),
            inputs=inputs,
            takes=[value for value in inputs.values() if type(value) is Link],
            files={name: SimpleNamespace(path=path) for name, path in (files or {}).items()},
        )
        return title

    @property
    def steps(self) -> Any:
        return [SimpleNamespace(node_id=title, title=title, runs=True) for title in self.nodes]


def account(graph: Any, **settings: Any) -> MemoryAccount:
    return reckoned(graph, Settings.load({"device": "cuda", **settings}, SETTINGS, folder=Path("/nowhere")))


@pytest.fixture
def pair(tmp_path: Path) -> Graph:
    """Two models in a row, of 90 MiB each, with a text encoder of 20 and a VAE of one."""
    graph = Graph()
    files = {name: written(tmp_path / f"{name}.st", blocks(90)) for name in ("high", "low")}
    text, vae = written(tmp_path / "text.st", blocks(20)), written(tmp_path / "vae.st", blocks(1))
    for name, path in files.items():
        graph.add(name, "MODEL", {f"diffusion_models/{name}": path})
    graph.add("clip", "CLIP", {"text_encoders/text": text})
    graph.add("vae", "VAE", {"vae/vae": vae})
    graph.add("prompt", "CONDITIONING", clip=Link("clip", 0), text="a cat")
    graph.add("empty", "LATENT", width=64, height=64, batch_size=1)
    latent = "empty"
    for name in files:
        model, samples = Link(name, 0), Link(latent, 0)
        latent = graph.add(f"sample {name}", "LATENT", model=model, positive=Link("prompt", 0), latent_image=samples)
    graph.add("decode", "IMAGE", samples=Link(latent, 0), vae=Link("vae", 0))
    return graph


def told(account: MemoryAccount) -> list[tuple[str, dict[str, int]]]:
    return [
        (step.title, {each.name.removesuffix(".st"): each.here // MIB for each in step.residents})
        for step in account.steps
    ]


def test_without_a_bound_all_stays(pair: Graph) -> None:
    found = account(pair)
    assert told(found)[-1] == ("decode", {"text": 20, "high": 90, "low": 90, "vae": 1})
    assert (found.budget, found.peak // MIB) == (None, 201)
    assert (found.whole // MIB, found.least // MIB) == (20 + TEXT, 1 + TEXT)
    assert [note.partition(":")[2] for note in found.notes] == [" what it takes to compute is not known"] * 3


def test_within_a_budget_the_least_recently_used_leave(pair: Graph) -> None:
    found = account(pair, vram="149M")
    assert told(found) == [
        ("prompt", {"text": 20}),
        ("sample high", {"text": 20, "high": 90}),
        ("sample low", {"low": 90}),
        ("decode", {"low": 90, "vae": 1}),
    ]
    found = account(pair, vram="130M")
    assert told(found) == [
        ("prompt", {"text": 2}),
        ("sample high", {"high": 90}),
        ("sample low", {"low": 90}),
        ("decode", {"low": 90, "vae": 1}),
    ]
    assert found.peak <= 130 * MIB
    assert not any(step.problem for step in found.steps)
    said = ["".join(part if isinstance(part, str) else part[0] for part in line) for line in memory_lines(found)]
    assert said[1] == "   130 MiB       prompt  prompt  text.st 2 MiB of 20 MiB; 128 MiB to compute"
    assert said[5] == "peak 130 MiB of 130 MiB; 148 MiB hold each model as a whole, 129 MiB block by block"


def test_what_does_not_fit_in_parts_either_is_a_problem(pair: Graph) -> None:
    found = account(pair, vram="128M")
    assert found.steps[0].problem == "needs 129 MiB block by block, and may take 128 MiB"
    assert [step["problem"] for step in found.to_json()["steps"] if "problem" in step] == [found.steps[0].problem]


def test_parts_of_a_checkpoint_and_its_patches(tmp_path: Path) -> None:
    graph = Graph()
    shapes = blocks(8, "model.diffusion_model.") | blocks(3, "cond_stage_model.") | blocks(2, "first_stage_model.")
    shapes["model.diffusion_model.input_blocks.0.0.weight"] = (320, 4, 3, 3)
    file = written(tmp_path / "sd.st", shapes, "F8_E4M3")
    lora = written(tmp_path / "style.st", blocks(1))
    graph.add("loader", "MODEL CLIP VAE", {"checkpoints/sd": file})
    graph.add("lora", "MODEL CLIP", {"loras/style": lora}, model=Link("loader", 0), clip=Link("loader", 1))
    graph.add("prompt", "CONDITIONING", clip=Link("lora", 1))
    graph.add("empty", "LATENT", width=512, height=512, batch_size=2)
    graph.add(
        "sample", "LATENT", model=Link("lora", 0), positive=Link("prompt", 0), latent_image=Link("empty", 0), cfg=7.0
    )
    found = account(graph)
    names = [each.name for each in found.steps[-1].residents]
    assert names == ["sd.st (text encoders) with style.st", "sd.st with style.st"]
    # What the file has in 8 bits stays so.
    assert [each.size // (MIB // 2) for each in found.steps[-1].residents] == [3, 8]
    elements = 64 * 64 * 2 * 2
    assert found.steps[-1].working == elements * 320 * 2 * 26
    graph.nodes["sample"].inputs["cfg"] = 1.0
    assert account(graph).steps[-1].working == elements // 2 * 320 * 2 * 26
    del graph.nodes["empty"].inputs["width"]
    assert account(graph).notes == ("node sample 'sample': its size is not in the workflow, and reckoned as 1024x1024",)
