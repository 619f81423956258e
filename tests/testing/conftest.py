"""Workflow tests run in an empty folder, on small models of random weights, with no settings of the user's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from weft.engine.cache.protocol import Cache
from weft.engine.schema.registry import Registry
from weft.engine.testing.cases import case_of
from weft.engine.testing.checking import checked
from weft.engine.testing.goldens import How, golden_path
from weft.engine.testing.instrument import Instrument, find_instrument
from weft.engine.testing.recording import record
from weft.engine.testing.settings import Options
from weft.engine.testing.verdicts import Verdict


@pytest.fixture(autouse=True)
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder; also the current one."""
    for name in [name for name in os.environ if name.startswith("WEFT_") and name != "WEFT_SHARED"]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def instrument() -> Instrument:
    return find_instrument()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An input folder with start.png, 48 x 48, all of whose pixels differ."""
    folder = tmp_path_factory.mktemp("input")
    ramp = numpy.arange(48 * 48, dtype=numpy.uint32).reshape(48, 48)
    rgb = numpy.stack([ramp % 251, ramp // 9 % 256, ramp * 7 % 241], axis=-1).astype(numpy.uint8)
    Image.fromarray(rgb).save(folder / "start.png")
    return folder


def node(class_type: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    """A node of an API prompt."""
    meta = {"_meta": {"title": title}} if title else {}
    return {"class_type": class_type, "inputs": inputs, **meta}


def drawing() -> dict[str, Any]:
    """Picture to picture with a LoRA, and beside it a drawing from noise: two branches of 64 x 64, three steps each."""
    sampling = {"steps": 3, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal"}
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name="weft-tiny.safetensors"),
        "2": node("LoraLoader", model=["1", 0], clip=["1", 1], lora_name="weft-pixel.safetensors",
                  strength_model=1.0, strength_clip=1.0),
        "3": node("CLIPTextEncode", "positive", text="a red apple", clip=["2", 1]),
        "4": node("CLIPTextEncode", "negative", text="blurred", clip=["1", 1]),
        "5": node("LoadImage", image="start.png"),
        "6": node("ImageScale", image=["5", 0], upscale_method="bilinear", width=64, height=64, crop="disabled"),
        "7": node("VAEEncode", pixels=["6", 0], vae=["1", 2]),
        "8": node("KSampler", "repaint", model=["2", 0], positive=["3", 0], negative=["4", 0], latent_image=["7", 0],
                  seed=7, denoise=0.8, **sampling),
        "9": node("VAEDecode", samples=["8", 0], vae=["1", 2]),
        "10": node("SaveImage", "repainted", images=["9", 0], filename_prefix="repainted"),
        "11": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "12": node("KSampler", "draw", model=["1", 0], positive=["4", 0], negative=["16", 0], latent_image=["11", 0],
                   seed=3, denoise=1.0, **{**sampling, "sampler_name": "heun"}),
        "13": node("VAEDecode", samples=["12", 0], vae=["1", 2]),
        "14": node("ImageInvert", image=["13", 0]),
        "16": node("CLIPTextEncode", "nothing", text="", clip=["1", 1]),
        "15": node("SaveImage", "drawn", images=["14", 0], filename_prefix="drawn"),
    }  # fmt: skip


def simple() -> dict[str, Any]:
    """A picture read, enlarged, inverted and saved: no model."""
    return {
        "1": node("LoadImage", image="start.png"),
        "2": node("ImageScale", image=["1", 0], upscale_method="bilinear", width=64, height=64, crop="disabled"),
        "3": node("ImageInvert", image=["2", 0]),
        "4": node("SaveImage", images=["3", 0], filename_prefix="out"),
    }


class Bench:
    """Records and checks workflows in one folder."""

    def __init__(self, folder: Path, options: Options, instrument: Instrument) -> None:
        self.folder = folder
        self.options = options
        self.instrument = instrument

    def write(self, workflow: dict[str, Any], name: str = "w") -> Path:
        """The workflow as a file."""
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(workflow))
        return path

    def record(self, workflow: dict[str, Any], name: str = "w", **how: Any) -> Path:
        """Write a workflow and its golden, whose path is returned. `options` and `registry` beside fields of How."""
        path = self.write(workflow, name)
        options, registry = how.pop("options", self.options), how.pop("registry", None)
        asked = How(**{"sampling": "comfy", **how})
        record(path, self.instrument, how=asked, options=options, registry=registry)
        return golden_path(path)

    def check(
        self,
        workflow: dict[str, Any] | None = None,
        name: str = "w",
        *,
        options: Options | None = None,
        registry: Registry | None = None,
        cache: Cache | None = None,
    ) -> Verdict:
        """The verdict on a workflow, which replaces the file of that name."""
        path = self.write(workflow, name) if workflow is not None else self.folder / f"{name}.json"
        options = options or self.options
        with checked(case_of(path), options, self.instrument, registry=registry, cache=cache) as found:
            return found.verdict


@pytest.fixture
def bench(sandbox: Path, random_models: Path, pictures: Path, instrument: Instrument) -> Bench:
    return Bench(sandbox, Options(models=(random_models,), input=pictures, device="cpu"), instrument)


@pytest.fixture(scope="session")
def drawn(
    tmp_path_factory: pytest.TempPathFactory, random_models: Path, pictures: Path, instrument: Instrument
) -> Iterator[Path]:
    """A folder with drawing() and its golden; copy it, do not write into it."""
    folder = tmp_path_factory.mktemp("drawn")
    Bench(folder, Options(models=(random_models,), input=pictures, device="cpu"), instrument).record(drawing())
    yield folder
