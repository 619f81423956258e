"""DiffusersLoader, on a folder made of a small random model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import weft
from weft.engine.errors import InvalidWorkflow
from weft.nodes.core.pipelines import _found
from weft.nodes.diffusion.sampling.denoiser import ModelSampling

CHECKPOINT = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "weft-tiny.safetensors"}}


def loader(name: str) -> dict[str, Any]:
    return {"class_type": "DiffusersLoader", "inputs": {"model_path": name}}


def run(models: Path | list[Path], prompt: dict[str, Any], *targets: str) -> Any:
    return weft.run(prompt, models=models, output="out", device="cpu", dtype="float32", targets=targets)


@pytest.fixture(scope="module")
def whole(random_models: Path) -> Any:
    return run(random_models, {"1": CHECKPOINT}, "1")["1"]


@pytest.fixture
def models(random_models: Path, whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder with diffusers/weft/tiny, its tensors under the names of diffusers and transformers."""
    monkeypatch.chdir(tmp_path)
    with safe_open(random_models / "checkpoints" / "weft-tiny.safetensors", framework="pt") as file:
        metadata = file.metadata()
    folder = tmp_path / "models" / "diffusers" / "weft" / "tiny"
    model, clip, vae = whole
    text = clip.encoders[0].network.base.state_dict()
    prefix = "" if any(name.startswith("text_model.") for name in text) else "text_model."
    for place, tensors in {
        "unet/diffusion_pytorch_model": model.network.base.state_dict(),
        "vae/diffusion_pytorch_model.fp16": vae.network.base.state_dict(),
        "text_encoder/model": {prefix + name: tensor for name, tensor in text.items()},
    }.items():
        path = folder / f"{place}.safetensors"
        path.parent.mkdir(parents=True)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    return tmp_path / "models"


def test_the_parts_of_a_folder_are_those_of_the_checkpoint(models: Path, whole: Any) -> None:
    (models / "diffusers" / "weft" / "tiny" / "scheduler").mkdir()
    config = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    (models / "diffusers" / "weft" / "tiny" / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    model, clip, vae = run(models, {"1": loader("weft/tiny")}, "1")["1"]
    for ours, theirs in (
        (model.network, whole[0].network),
        (clip.encoders[0].network, whole[1].encoders[0].network),
        (vae.network, whole[2].network),
    ):
        expected = dict(theirs.base.named_parameters())
        assert ours.base.state_dict().keys() == theirs.base.state_dict().keys()
        assert all(torch.equal(weight, expected[name]) for name, weight in ours.base.named_parameters())
    wanted = ModelSampling.discrete("v", zero_snr=True)
    assert torch.equal(model.sampling.sigmas, wanted.sigmas)


def test_a_folder_without_a_part_is_found_before_the_run(models: Path) -> None:
    tiny = models / "diffusers" / "weft" / "tiny"
    shutil.rmtree(tiny / "vae")
    with pytest.raises(InvalidWorkflow, match="tiny has no file of weights in vae/"):
        run(models, {"1": loader("weft/tiny")}, "1")
    with pytest.raises(InvalidWorkflow, match=r"folder 'weft' with a model_index\.json is not there"):
        run(models, {"1": loader("weft")}, "1")
    with pytest.raises(InvalidWorkflow, match="did you mean 'weft/tiny'"):
        run(models, {"1": loader("weft/tini")}, "1")


def test_a_second_text_encoder_is_asked_for_where_its_folder_is(tmp_path: Path) -> None:
    for place in ("unet/diffusion_pytorch_model.bin", "vae/diffusion_pytorch_model.bin"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).touch()
    for part in ("text_encoder", "text_encoder_2"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "model.fp16.safetensors").touch()
    assert list(_found(tmp_path)) == ["unet", "vae", "text_encoder", "text_encoder_2"]
