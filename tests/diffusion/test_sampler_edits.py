"""Random edits of chains of samplers: what is kept of earlier runs, their steps too, changes no bit of a later one."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from weft import DiskCache, MemoryCache, Session
from weft.engine.cache.protocol import Cache, Entry
from weft.engine.cache.tiers import Tiers
from weft.engine.cancel import CancelToken
from weft.engine.errors import Interrupted, NodeError
from weft.engine.events import Progress

STEPS = 4
SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "dpmpp_sde", "lms", "uni_pc", "heun", "ddim", "dpm_2", "ipndm")
SCHEDULERS = ("karras", "normal", "simple")
STAGES = ("6", "7", "8", "9")
CHOICES: dict[str, tuple[Any, ...]] = {
    "noise_seed": (1, 2), "seed": (1, 2), "steps": (STEPS, STEPS + 1), "cfg": (1.0, 3.0), "sampler_name": SAMPLERS,
    "scheduler": SCHEDULERS, "start_at_step": (0, 1, 2), "end_at_step": (1, 2, 3, 10_000), "denoise": (1.0, 0.6),
    "add_noise": ("enable", "disable"), "return_with_leftover_noise": ("enable", "disable"),
    "model": (["1", 0], ["10", 0]), "positive": (["2", 0], ["3", 0], ["11", 0]), "batch_size": (1, 2),
    "latent_image": (["4", 0], ["12", 0], ["6", 0], ["7", 0]), "b1": (1.1, 1.3), "text": ("red", "blue"),
}  # fmt: skip


def graph(chance: Random) -> dict[str, Any]:
    """Three stages, each with the latent of another one, and a KSampler."""
    sides = {"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0]}
    common = {**sides, "steps": STEPS, "cfg": 3.0, "sampler_name": chance.choice(SAMPLERS), "scheduler": "karras"}
    stage = {**common, "noise_seed": 1, "start_at_step": 0, "end_at_step": 10_000}
    leaves = {"add_noise": "enable", "return_with_leftover_noise": "enable", "end_at_step": 2}
    takes = {"add_noise": "disable", "return_with_leftover_noise": "disable", "start_at_step": 2}
    nodes = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "weft-tiny.safetensors"}),
        "2": ("CLIPTextEncode", {"text": "red", "clip": ["1", 1]}),
        "3": ("CLIPTextEncode", {"text": "", "clip": ["1", 1]}),
        "4": ("EmptyLatentImage", {"width": 32, "height": 32, "batch_size": 1}),
        "6": ("KSamplerAdvanced", {**stage, **leaves}),
        "7": ("KSamplerAdvanced", {**stage, **takes, "latent_image": ["6", 0]}),
        "8": ("KSamplerAdvanced", {**stage, **takes, "add_noise": "enable", "latent_image": ["6", 0]}),
        "9": ("KSampler", {**common, "seed": 1, "denoise": 1.0}),
        "10": ("FreeU", {"model": ["1", 0], "b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2}),
        "11": ("ConditioningConcat", {"conditioning_to": ["2", 0], "conditioning_from": ["3", 0]}),
        "12": ("EmptyLatentImage", {"width": 32, "height": 64, "batch_size": 1}),
    }
    return {node_id: {"class_type": name, "inputs": dict(inputs)} for node_id, (name, inputs) in nodes.items()}


def edit(prompt: dict[str, Any], chance: Random) -> str:
    """Change one input to another of its choices; a link leads to nothing behind it."""
    while True:
        node_id = chance.choice((*STAGES * 3, "2", "4", "10"))
        name = chance.choice([name for name in prompt[node_id]["inputs"] if name in CHOICES])
        value = chance.choice(CHOICES[name])
        behind = node_id == "10" and name == "model"
        behind |= name == "latent_image" and value[0] >= node_id and len(value[0]) == 1
        if value != prompt[node_id]["inputs"][name] and not behind:
            prompt[node_id]["inputs"][name] = value
            return f"{node_id}.{name} = {value}"


class Models(MemoryCache):
    """Keeps models and texts, so that a run without what is kept loads nothing twice; and no step of a sampler."""

    steps = None  # type: ignore[assignment]

    def put(self, key: bytes, entry: Entry) -> None:
        if not any(isinstance(value, dict) and "samples" in value for value in entry.outputs):
            super().put(key, entry)


class Bench:
    """Sessions over the least model, in one sampling mode."""

    def __init__(self, models: Path, folder: Path) -> None:
        self.models, self.folder = models, folder
        self.plain, self.near = Models(), MemoryCache()

    def run(self, prompt: dict[str, Any], mode: str, cache: Cache, stop: int = 0) -> Any:
        """The latents of all stages, or the error; it may be stopped at a step."""
        token, left = CancelToken(), [stop]

        def observe(event: object) -> None:
            left[0] -= isinstance(event, Progress)
            if stop and not left[0]:
                token.cancel()

        options: dict[str, Any] = {"models": self.models, "device": "cpu", "sampling": mode}
        session = Session(cache=cache, output=self.folder / "output", **options)
        try:
            result = session.execute(session.plan(session.read(prompt), STAGES), [observe], cancel=token)
        except (NodeError, Interrupted) as error:
            return type(error).__name__, getattr(error, "message", "")
        return {node_id: result[node_id][0] for node_id in STAGES}

    def kept(self, prompt: dict[str, Any], mode: str, chance: Random, stop: int = 0) -> Any:
        """The same with what earlier runs left: on the disk, as another process finds it, or in memory above it."""
        disk = DiskCache(self.folder / "kept", warn=pytest.fail)
        try:
            return self.run(prompt, mode, disk if chance.random() < 0.6 else Tiers(self.near, disk), stop)
        finally:
            disk.close()


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other) and one.stride() == other.stride()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return bool(one == other)


def check(models: Path, folder: Path, seed: int, edits: int) -> None:
    chance = Random(seed)
    bench = Bench(models, folder)
    prompt, said = graph(chance), []
    for _ in range(edits):
        mode = chance.choice(("comfy", "comfy", "continuous"))
        if chance.random() < 0.3:
            bench.kept(prompt, mode, chance, stop=chance.randrange(1, 3 * STEPS))
        expected = bench.run(prompt, mode, bench.plain)
        assert same(bench.kept(prompt, mode, chance), expected), (mode, said, prompt)
        said.append(edit(prompt, chance))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings and no remembered digests of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_some_edits(random_models: Path, tmp_path: Path) -> None:
    check(random_models, tmp_path, 1, 6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 22))
def test_many_edits(seed: int, random_models: Path, tmp_path: Path) -> None:
    check(random_models, tmp_path, seed, 40)
