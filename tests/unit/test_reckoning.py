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
from weft.nodes.diffusion.text import qwen_tokenizer

MIB = 1 << 20
BLOCK = (512, 1024)
TEXT = 128
"""MiB that reading a prompt is reckoned to take."""
FREE = 512
"""MiB that a run leaves free beside what it computes."""


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

    def steps_but(self, *twins: str) -> Any:
        return [SimpleNamespace(node_id=title, title=title, runs=title not in twins) for title in self.nodes]

    @property
    def steps(self) -> Any:
        return self.steps_but()


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


def test_without_a_bound_models_stay_until_nobody_needs_them(pair: Graph) -> None:
    found = account(pair)
    assert told(found) == [
        ("prompt", {"text": 20}),
        ("sample high", {"high": 90}),
        ("sample low", {"low": 90}),
        ("decode", {"vae": 1}),
    ]
    assert (found.budget, found.peak // MIB) == (None, 20 + TEXT)
    assert (found.whole // MIB, found.least // MIB) == (20 + TEXT + FREE, 1 + TEXT + FREE)
    assert [note.partition(":")[2] for note in found.notes[:-1]] == [" what it takes to compute is not known"] * 3
    assert found.notes[-1] == "CUDA and its libraries take about 512 MiB beside the peak; in the sizes of GPUs it is"


def test_model_patches_are_there_beside_their_model(pair: Graph, tmp_path: Path) -> None:
    path = written(tmp_path / "canny.st", blocks(7))
    pair.add("patch", "MODEL_PATCH", {"model_patches/canny": path})
    pair.add("steered", "MODEL", model=Link("low", 0), model_patch=Link("patch", 0))
    inputs = pair.nodes["sample low"].inputs | {"model": Link("steered", 0)}
    del pair.nodes["sample low"]
    decode = pair.nodes.pop("decode")
    pair.add("sample low", "LATENT", **inputs)
    pair.nodes["decode"] = decode
    assert dict(told(account(pair)))["sample low"] == {"low": 90, "canny": 7}


@pytest.fixture
def again(pair: Graph) -> Graph:
    """The pair, and then the first prompt and the first model once more."""
    pair.add("prompt 2", "CONDITIONING", clip=Link("clip", 0), text="a dog")
    samples = Link("sample low", 0)
    pair.add("sample 3", "LATENT", model=Link("high", 0), positive=Link("prompt 2", 0), latent_image=samples)
    return pair


def test_within_a_budget_the_least_recently_used_leave(again: Graph) -> None:
    found = account(again, vram=f"{FREE + 200}M")
    assert told(found) == [
        ("prompt", {"text": 20}),
        ("sample high", {"text": 20, "high": 90}),
        ("sample low", {"text": 20, "high": 90, "low": 90}),
        # Nobody needs the second model any more.
        ("decode", {"text": 20, "high": 90, "vae": 1}),
        ("prompt 2", {"text": 20}),
        ("sample 3", {"high": 90}),
    ]
    found = account(again, vram=f"{FREE + 130}M")
    assert told(found)[:3] == [("prompt", {"text": 2}), ("sample high", {"high": 90}), ("sample low", {"low": 90})]
    assert found.peak <= (FREE + 130) * MIB
    assert not any(step.problem for step in found.steps)
    said = ["".join(part if isinstance(part, str) else part[0] for part in line) for line in memory_lines(found)]
    assert said[0] == "Memory of the GPU, as reckoned from the files' headers:"
    assert said[1] == "   130 MiB       prompt  prompt  text.st 2 MiB of 20 MiB; 128 MiB to compute"
    assert said[7] == "peak 130 MiB of 642 MiB; a GPU of 660 MiB holds each model whole, one of 641 MiB block by block"


def test_a_loader_that_is_anothers_twin(pair: Graph) -> None:
    pair.add("shift", "MODEL", model=Link("low", 0))
    pair.nodes["sample low"].inputs["model"] = Link("shift", 0)
    pair.nodes["sample low"].takes[0] = Link("shift", 0)
    plan: Any = SimpleNamespace(nodes=pair.nodes, steps=pair.steps_but("low", "shift"))
    assert told(account(plan))[2] == ("sample low", {"low": 90})


def test_a_plan_that_computes_with_no_model_says_so() -> None:
    graph = Graph()
    graph.add("empty", "LATENT", width=64, height=64, batch_size=1)
    said = [str(line[0]) for line in memory_lines(account(graph))]
    assert said[1:] == ["nothing that runs computes with a model"]


def test_a_switch_passes_its_model_on_and_frames_that_nobody_knows_are_told(tmp_path: Path) -> None:
    """Links to a model through an output of any type are followed, whatever chooses."""
    graph = Graph()
    graph.add("model", "MODEL", {"diffusion_models/a": written(tmp_path / "a.st", blocks(3))})
    graph.add("which", "BOOLEAN", value=True)
    graph.add("switch", "COMFY_MATCHTYPE_V3", switch=Link("which", 0), on_true=Link("model", 0))
    graph.add("count", "INT")
    graph.add("empty", "LATENT", width=64, height=64, length=Link("count", 0))
    graph.add("sample", "LATENT", model=Link("switch", 0), latent_image=Link("empty", 0))
    found = account(graph)
    assert told(found) == [("sample", {"a": 3})]
    assert found.notes[0].endswith("how many frames it has is known only when it runs, and reckoned as 1")


def test_what_does_not_fit_in_parts_either_is_a_problem(pair: Graph) -> None:
    found = account(pair, vram="640M")
    assert found.steps[0].problem == "needs 641 MiB block by block, and may take 640 MiB"
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
        "sample", "LATENT", model=Link("lora", 0), positive=Link("prompt", 0), negative=Link("prompt", 0),
        latent_image=Link("empty", 0), cfg=7.0,
    )  # fmt: skip
    found = account(graph)
    names = [each.name for each in found.steps[-1].residents]
    assert names == ["sd.st (text encoders) with style.st", "sd.st with style.st"]
    # What the file has in 8 bits stays so.
    assert [each.size // (MIB // 2) for each in found.steps[-1].residents] == [3, 8]
    # A matrix at a time is widened.
    elements, widened = 64 * 64 * 2 * 2, MIB
    assert found.steps[-1].working == elements * 320 * 2 * 26 + widened
    graph.nodes["sample"].inputs["cfg"] = 1.0
    assert account(graph).steps[-1].working == elements // 2 * 320 * 2 * 26 + widened
    graph.nodes["sample"].inputs["sampler_name"] = "euler_cfg_pp"
    assert account(graph).steps[-1].working == elements * 320 * 2 * 26 + widened
    del graph.nodes["empty"].inputs["width"]
    assert account(graph).notes[0] == "node sample 'sample': its size is not in the workflow, and reckoned as 1024x1024"


QWEN = {"img_in.weight": (3072, 64), "transformer_blocks.0.attn.to_q.weight": (8, 8)}
ROW = 3072 * 2 * 16


@pytest.fixture
def guided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    """A model whose prompts have as many rows as tokens, 64x64 patches, and a prompt for each side."""
    monkeypatch.setattr(qwen_tokenizer, "encode", str.split)
    graph = Graph()
    graph.add("model", "MODEL", {"diffusion_models/qwen": written(tmp_path / "qwen.st", QWEN)})
    graph.add("clip", "CLIP", {"text_encoders/text": written(tmp_path / "text.st", blocks(20))})
    graph.add("positive", "CONDITIONING", clip=Link("clip", 0), text="a cat")
    graph.add("negative", "CONDITIONING", clip=Link("clip", 0), text="a dog")
    graph.nodes["negative"].schema = graph.nodes["positive"].schema
    graph.add("empty", "LATENT", width=1024, height=1024, batch_size=1)
    sides = {side: Link(side, 0) for side in ("positive", "negative")}
    graph.add("sample", "LATENT", model=Link("model", 0), **sides, latent_image=Link("empty", 0), cfg=4.0)
    return graph


def working(graph: Graph) -> float:
    """How many sides are reckoned to be in one call."""
    return account(graph).steps[-1].working / (64 * 64 * ROW)


def test_prompts_of_two_lengths_have_a_call_each(guided: Graph) -> None:
    assert working(guided) == 2
    guided.nodes["negative"].inputs["text"] = "a very ugly dog, blurred"
    assert working(guided) == 1
    guided.add("zeros", "CONDITIONING", conditioning=Link("positive", 0))
    guided.nodes["sample"].inputs["negative"] = Link("zeros", 0)
    assert working(guided) == 2, "what is made of a prompt is as long"
    assert len(account(guided).notes) == 1


def test_where_the_length_of_prompts_is_not_known_both_sides_count_and_it_is_said(guided: Graph) -> None:
    guided.add("words", "STRING")
    guided.nodes["negative"].inputs["text"] = Link("words", 0)
    assert working(guided) == 2
    said = "its prompts are not all in the workflow; of two lengths, it takes half of this to compute"
    assert account(guided).notes[0] == f"node sample 'sample': {said}"
    # The same words, whatever they are.
    guided.nodes["positive"].inputs["text"] = Link("words", 0)
    assert working(guided) == 2
    assert len(account(guided).notes) == 1


def test_sides_of_a_guider(guided: Graph) -> None:
    inputs = guided.nodes["sample"].inputs
    sides = {name: inputs.pop(name) for name in ("model", "positive", "negative")}
    guided.add("guider", "GUIDER", **sides, cfg=1.0)
    guided.add("select", "SAMPLER", sampler_name="euler")
    guided.add("custom", "LATENT", guider=Link("guider", 0), sampler=Link("select", 0), latent_image=Link("empty", 0))
    del guided.nodes["sample"]
    assert working(guided) == 1
    guided.nodes["guider"].inputs["cfg"] = 3.0
    assert working(guided) == 2
    guided.nodes["negative"].inputs["text"] = "a very ugly dog, blurred"
    assert working(guided) == 1


def test_of_a_cpu_the_process_is_reckoned(pair: Graph) -> None:
    found = account(pair, device="cpu", dtype="bfloat16")
    # The files' numbers are the run's, and mapped: they are there when they are read, and until nobody needs them.
    assert found.of == "process"
    assert told(found)[1:3] == [("sample high", {"high": 90}), ("sample low", {"low": 90})]
    assert found.to_json()["of"] == "process"
    lines = [line[0] for line in memory_lines(found)]
    assert lines[0] == "Memory of the process, as reckoned from the files' headers:"
    assert ("peak ", "bold") in lines
