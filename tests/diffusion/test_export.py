"""Models to files and back: the same keys, the same numbers, and metadata for what shapes do not say."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.text.clip import TextEncoder
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint, load_clip, load_unet, load_vae
from weft.nodes.diffusion.weights.export import save_clip, save_model, save_vae
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.merge import merge_models, weighted
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import Stored, WeightFile, write_safetensors

Open = Callable[..., Any]
CPU = torch.device("cpu")
EVERYTHING: dict[str, Any] = {"device": CPU, "dtype": torch.float32}


def written(path: Path, save: Callable[..., None], *args: Any, **options: Any) -> Path:
    with path.open("wb") as stream:
        save(stream, *args, **options)
    return path


def checkpoint_file(path: Path, model: Any, clip: Any, vae: Any, **metadata: str) -> Path:
    return written(path, save_model, model, clip, vae, title="Mine 1", metadata=metadata)


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as opened:
        return opened.metadata() or {}


def assert_equal(one: nn.Module, other: nn.Module) -> None:
    expected = dict(one.named_parameters())
    assert expected.keys() == dict(other.named_parameters()).keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in other.named_parameters())


@pytest.mark.parametrize("name", ["tiny_sd15", "tiny_sdxl"])
def test_a_checkpoint_saved_as_it_was_has_its_keys_and_bits(parity: Path, tmp_path: Path, name: str) -> None:
    source = parity / "models" / "checkpoints" / f"{name}.safetensors"
    opened = load_checkpoint(source, device=CPU, dtype=torch.float16, vae_dtype=torch.float16)
    path = checkpoint_file(tmp_path / "saved.safetensors", opened.model, opened.clip, opened.vae)
    original, saved = load_file(source), load_file(path)
    beside = {key for key in original if key.endswith(("position_ids", "logit_scale"))}
    assert saved.keys() == original.keys() - beside
    assert all(torch.equal(tensor, original[key]) for key, tensor in saved.items())


@pytest.mark.parametrize(
    ("family", "channels"),
    [("sd1", 4), ("sd1", 8), ("sd1", 9), ("sd2", 4), ("sdxl", 4), ("sdxl_refiner", 4)],
)
def test_every_family_comes_back(open_checkpoint: Open, tmp_path: Path, family: str, channels: int) -> None:
    opened = open_checkpoint(family, channels)
    path = checkpoint_file(tmp_path / "saved.safetensors", opened.model, opened.clip, opened.vae)
    back = load_checkpoint(path, **EVERYTHING)
    assert back.kind == opened.kind
    assert_equal(opened.model.network.base, back.model.network.base)
    assert_equal(opened.vae.network.base, back.vae.network.base)
    for one, other in zip(opened.clip.encoders, back.clip.encoders, strict=True):
        assert_equal(one.network.base, other.network.base)
    x = torch.randn(1, 3, 64, 64).movedim(1, -1).sigmoid()
    assert torch.equal(opened.vae.encode(x), back.vae.encode(x))


def test_loras_and_merges_are_multiplied_out(parity: Path, tmp_path: Path) -> None:
    source = parity / "models" / "checkpoints" / "tiny_sd15.safetensors"
    opened = load_checkpoint(source, device=CPU, dtype=torch.float16, vae_dtype=torch.float16)
    lora = load_lora(parity / "models" / "loras" / "tiny_lora_kohya.safetensors")
    model, clip, _ = apply_lora(opened.model, opened.clip, lora, 0.8, 0.6)
    merged, _ = merge_models(opened.model, model, lambda name: weighted(0.5))
    path = checkpoint_file(tmp_path / "saved.safetensors", merged, clip, opened.vae)
    back = load_checkpoint(path, device=CPU, dtype=torch.float16, vae_dtype=torch.float16)
    assert_equal(merged.network.module(), back.model.network.base)
    assert_equal(clip.encoders[0].network.module(), back.clip.encoders[0].network.base)


def test_a_model_alone(open_checkpoint: Open, tmp_path: Path) -> None:
    opened = open_checkpoint("sd1")
    path = checkpoint_file(tmp_path / "saved.safetensors", opened.model, None, None)
    assert all(key.startswith("model.diffusion_model.") for key in load_file(path))
    assert_equal(opened.model.network.base, load_unet(path, **EVERYTHING).network.base)
    assert_equal(opened.model.network.base, load_checkpoint(path, **EVERYTHING).model.network.base)


# Metadata.


@pytest.mark.parametrize(
    ("family", "channels", "architecture"),
    [
        ("sd1", 4, None),
        ("sd2", 4, None),
        ("sdxl", 4, "stable-diffusion-xl-v1-base"),
        ("sdxl", 8, "stable-diffusion-xl-v1-edit"),
        ("sdxl_refiner", 4, "stable-diffusion-xl-v1-refiner"),
    ],
)
def test_what_the_file_says(
    open_checkpoint: Open, tmp_path: Path, family: str, channels: int, architecture: str | None
) -> None:
    opened = open_checkpoint(family, channels)
    path = checkpoint_file(tmp_path / "saved.safetensors", opened.model, opened.clip, opened.vae, prompt='{"1": {}}')
    said = metadata_of(path)
    assert said.pop("prompt") == '{"1": {}}'
    assert said.pop("modelspec.predict_key") == "epsilon"
    if family == "sd2":
        assert json.loads(said.pop("weft.config")) == {"prediction": "eps"}
    expected = {
        "modelspec.architecture": architecture,
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.implementation": "sgm",
        "modelspec.title": "Mine 1",
    }
    assert said == (expected if architecture else {})


def test_v_prediction_is_marked(open_checkpoint: Open, tmp_path: Path) -> None:
    def mark(tensors: dict[str, torch.Tensor]) -> None:
        tensors |= {"v_pred": torch.empty(0), "ztsnr": torch.empty(0)}

    opened = open_checkpoint("sdxl", name="marked", change=mark)
    path = checkpoint_file(tmp_path / "saved.safetensors", opened.model, opened.clip, opened.vae)
    assert metadata_of(path)["modelspec.predict_key"] == "v"
    shapes = WeightFile(path).shapes
    assert (shapes["v_pred"], shapes["ztsnr"]) == ((0,), (0,))
    back = load_checkpoint(path, **EVERYTHING)
    assert (back.kind.prediction, back.kind.zero_snr) == ("v", True)
    assert torch.equal(back.model.sampling.sigmas, opened.model.sampling.sigmas)


def test_what_shapes_do_not_say_is_said(open_checkpoint: Open, tmp_path: Path) -> None:
    stated = {
        "unet": {"attention_head_dim": [4, 4, 4, 2]},
        "vae": {"norm_num_groups": 16},
        "text_encoders": {"clip_h": {"num_attention_heads": 2}},
        "prediction": "v",
    }
    opened = open_checkpoint("sd2", name="stated", stated=stated)
    path = checkpoint_file(tmp_path / "saved.safetensors", opened.model, opened.clip, opened.vae)
    assert json.loads(metadata_of(path)["weft.config"]) == stated
    back = load_checkpoint(path, **EVERYTHING)
    assert back.kind == opened.kind
    alone = checkpoint_file(tmp_path / "alone.safetensors", opened.model, None, None)
    assert json.loads(metadata_of(alone)["weft.config"]) == {"unet": stated["unet"], "prediction": "v"}
    assert load_unet(alone, **EVERYTHING).kind.unet == opened.kind.unet
    vae = written(tmp_path / "vae.safetensors", save_vae, opened.vae, {})
    assert load_vae(vae, **EVERYTHING).network.base.config.norm_num_groups == 16
    (encoder,) = opened.clip.encoders
    clip = written(tmp_path / "clip.safetensors", save_clip, encoder, {})
    (back,) = load_clip([clip], "stable_diffusion", **EVERYTHING).encoders
    assert back.spec.config["num_attention_heads"] == 2


# Parts.


def test_a_vae(open_checkpoint: Open, parity: Path, tmp_path: Path) -> None:
    source = parity / "models" / "vae" / "tiny_vae.safetensors"
    vae = load_vae(source, device=CPU, dtype=torch.float16)
    path = written(tmp_path / "vae.safetensors", save_vae, vae, {"prompt": "{}"})
    original, saved = load_file(source), load_file(path)
    assert saved.keys() == original.keys()
    assert all(torch.equal(tensor, original[key].half()) for key, tensor in saved.items())
    assert metadata_of(path) == {"prompt": "{}"}


def test_text_encoders(open_checkpoint: Open, tmp_path: Path) -> None:
    opened = open_checkpoint("sdxl")
    paths = []
    for encoder in opened.clip.encoders:
        paths.append(written(tmp_path / f"{encoder.name}.safetensors", save_clip, encoder, {"prompt": "{}"}))
    large, giant = (set(load_file(path)) for path in paths)
    assert all(key.startswith("text_model.") for key in large)
    assert giant - {"text_projection.weight"} == {key for key in giant if key.startswith("text_model.")}
    assert "text_projection.weight" in giant
    said = metadata_of(paths[1])
    assert said == {"format": "pt", "prompt": "{}", "weft.config": '{"text_encoders": {"clip_g": {}}}'}
    back = load_clip(paths[::-1], "sdxl", **EVERYTHING)
    expected = opened.clip.encode("a (cat:1.3)")
    (got,) = back.encode("a (cat:1.3)")
    assert torch.equal(got[0], expected[0][0])
    assert torch.equal(got[1]["pooled_output"], expected[0][1]["pooled_output"])
    # And into a checkpoint again, from where they were fused and turned.
    again = checkpoint_file(tmp_path / "again.safetensors", opened.model, back, opened.vae)
    first = checkpoint_file(tmp_path / "first.safetensors", opened.model, opened.clip, opened.vae)
    one, two = load_file(first), load_file(again)
    assert one.keys() == two.keys()
    assert all(torch.equal(tensor, two[key]) for key, tensor in one.items())


def test_text_encoders_of_another_family(open_checkpoint: Open, tmp_path: Path) -> None:
    one, other = open_checkpoint("sd1"), open_checkpoint("sdxl")
    words = r"the text encoders are clip_l \+ clip_g, a Stable Diffusion 1.x checkpoint holds clip_l"
    with pytest.raises(DiffusionError, match=words):
        checkpoint_file(tmp_path / "x.safetensors", one.model, other.clip, one.vae)


def test_text_encoders_of_another_width(open_checkpoint: Open, parity: Path, tmp_path: Path) -> None:
    tiny = load_checkpoint(parity / "models" / "checkpoints" / "tiny_sdxl.safetensors", **EVERYTHING)
    opened = open_checkpoint("sdxl")
    with pytest.raises(CheckpointError, match="the UNet reads 144-wide text, the file has clip_l 48"):
        checkpoint_file(tmp_path / "x.safetensors", opened.model, tiny.clip, opened.vae)


def test_an_encoder_that_nobody_describes() -> None:
    encoder = TextEncoder("clip_l", PatchedNetwork(nn.Linear(1, 1)), spec=object())
    with pytest.raises(DiffusionError, match="how the text encoder 'clip_l' was built is not known"):
        save_clip(io.BytesIO(), encoder, {})


# The format.


def test_safetensors_reads_what_is_written(tmp_path: Path) -> None:
    tensors = {
        "half": torch.randn(3, 5).half(),
        "brain": torch.randn(7).bfloat16(),
        "number": torch.tensor(2.5),
        "none": torch.empty(0),
        "turned": torch.randn(4, 6, dtype=torch.float64).T,
        "ä": torch.randn(1, 2, 3),
    }
    made: list[str] = []

    def stored(name: str) -> Stored:
        tensor = tensors[name]

        def make() -> torch.Tensor:
            made.append(name)
            return tensor

        return Stored(tuple(tensor.shape), tensor.dtype, make)

    path = tmp_path / "x.safetensors"
    with path.open("wb") as stream:
        write_safetensors(stream, {name: stored(name) for name in tensors}, {"a": "b"})
    read = load_file(path)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) and read[name].dtype == tensor.dtype for name, tensor in tensors.items())
    assert metadata_of(path) == {"a": "b"}
    assert made[0] == "turned" and sorted(made) == sorted(tensors), "one by one, the widest numbers first"
    assert WeightFile(path).shapes["half"] == (3, 5)
    with pytest.raises(DiffusionError, match="'x' is torch.complex64, which safetensors has no name for"):
        write_safetensors(io.BytesIO(), {"x": Stored((1,), torch.complex64, lambda: torch.ones(1))}, {})
