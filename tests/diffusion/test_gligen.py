"""GLIGEN: diffusers' UNet with gated self attention is the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor

import weft
from weft.nodes.core.gligen import GLIGENTextBoxApply
from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.sd.keymaps import unet_keymap
from weft.nodes.diffusion.sampling.gligen import MOST_BOXES, Gligen, load_gligen, with_box
from weft.nodes.diffusion.sampling.tile_conditions import TiledConditionings

from .ksampling import ksample

EVERYTHING: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
CAT, DOG = (32, 24, 0, 8), (16, 16, 40, 40)  # height, width, y, x


@pytest.fixture(scope="module")
def reference(open_checkpoint: Callable[..., Any]) -> Any:
    """The UNet of the checkpoint with gates in it, which are open."""
    unet = open_checkpoint("sd1").model.network.base
    make: Any = UNet2DConditionModel
    torch.manual_seed(3)
    said = {name: value for name, value in unet.config.items() if not name.startswith("_")}
    gated = make(**said | {"attention_type": "gated"})
    with torch.no_grad():
        for name, parameter in gated.named_parameters():
            if ".fuser.alpha" in name or "null" in name:
                parameter.copy_(torch.randn(parameter.shape))
    found = gated.load_state_dict(unet.state_dict(), strict=False)
    assert not found.unexpected_keys
    return gated.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def file(reference: Any, open_checkpoint: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The networks of the reference that are GLIGEN's, by the names of a published file."""
    layers = {
        new.split("norm1.weight")[0]: old.split("norm1.weight")[0]
        for old, new in unet_keymap(open_checkpoint("sd1").model.kind.unet).items()
        if new.endswith("transformer_blocks.0.norm1.weight")
    }
    tensors = {}
    for name, tensor in reference.state_dict().items():
        if name.startswith("position_net."):
            tensors[name] = tensor.clone()
        elif ".fuser." in name:
            layer, inner = name.split("fuser.")
            tensors[f"{layers[layer]}fuser.{inner}"] = tensor.clone()
    path = tmp_path_factory.mktemp("gligen") / "gligen.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def model(file: Path) -> Gligen:
    return load_gligen(file, **EVERYTHING)


def sampled(loaded: Any, prompt: Any, cfg: float = 1.0) -> Tensor:
    settings = {"seed": 1, "steps": 1, "cfg": cfg, "sampler": "euler", "scheduler": "normal"}
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    found: Tensor = ksample(loaded.model, latent, positive=prompt, negative=loaded.clip.encode(""), **settings)[
        "samples"
    ]
    return found


def test_a_network_gives_what_diffusers_gives(
    model: Gligen, reference: Any, open_checkpoint: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = open_checkpoint("sd1")
    prompt = with_box(loaded.clip.encode("a cat and a dog"), model, loaded.clip, "a cat", CAT)
    prompt = with_box(prompt, model, loaded.clip, "a dog", DOG)
    boxes, texts, there = torch.zeros(1, MOST_BOXES, 4), torch.zeros(1, MOST_BOXES, 64), torch.zeros(1, MOST_BOXES)
    boxes[0, :2] = torch.tensor([[1 / 8, 0, 4 / 8, 4 / 8], [5 / 8, 5 / 8, 7 / 8, 7 / 8]])
    texts[0, :2] = torch.cat([loaded.clip.encode(text)[0][1]["pooled_output"] for text in ("a cat", "a dog")])
    there[0, :2] = 1.0
    told = {"boxes": boxes, "positive_embeddings": texts, "masks": there}

    def forward(network: Any, sample: Tensor, timestep: Tensor, options: Any, **more: Any) -> Any:
        return reference(
            sample, timestep, more["encoder_hidden_states"], cross_attention_kwargs={"gligen": told}
        ).sample

    found = sampled(loaded, prompt)
    monkeypatch.setattr("weft.nodes.diffusion.families.sd.unet.forward", forward)
    torch.testing.assert_close(sampled(loaded, prompt), found)
    assert (found - sampled(loaded, loaded.clip.encode("a cat and a dog"))).abs().max() > 1


def test_boxes_change_their_own_side_and_nothing_else(model: Gligen, open_checkpoint: Callable[..., Any]) -> None:
    """The negative prompt is drawn without: a guidance of 0 is it alone."""
    loaded = open_checkpoint("sd1")
    plain = loaded.clip.encode("a cat")
    boxed = with_box(plain, model, loaded.clip, "a cat", CAT)
    moved = with_box(plain, model, loaded.clip, "a cat", DOG)
    before = sampled(loaded, plain, 2.0)
    assert "gligen" not in plain[0][1]
    drawn = [sampled(loaded, prompt, 2.0) for prompt in (boxed, moved, plain)]
    assert all((one - before).abs().max() > 0.1 for one in drawn[:2])
    assert (drawn[0] - drawn[1]).abs().max() > 0.1
    assert torch.equal(drawn[2], before)
    # Latents of about 100.
    torch.testing.assert_close(sampled(loaded, boxed, 0.0), sampled(loaded, plain, 0.0), rtol=1e-4, atol=1e-3)


def test_the_nodes(file: Path, model: Gligen, open_checkpoint: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "gligen").mkdir()
    (tmp_path / "gligen" / "boxes.safetensors").write_bytes(file.read_bytes())
    (tmp_path / "checkpoints").mkdir()
    prompt = {
        "1": {"class_type": "GLIGENLoader", "inputs": {"gligen_name": "boxes.safetensors"}},
    }
    result = weft.run(prompt, models=tmp_path, output=tmp_path, device="cpu", targets=["1"])
    clip = open_checkpoint("sd1").clip
    given: Any = {"width": 24, "height": 32, "x": 8, "y": 0}
    nothing: Any = SimpleNamespace(warn=print)
    found: Any = GLIGENTextBoxApply(
        conditioning_to=clip.encode("x"), clip=clip, gligen_textbox_model=model, text="a cat", context=nothing, **given
    )
    (_, options), *_ = found
    kind, of, [(text, *box)] = options["gligen"]
    assert (kind, of, box) == ("position", model, [4, 3, 0, 1])
    assert torch.equal(text, clip.encode("a cat")[0][1]["pooled_output"])
    loaded: Any = result["1"]
    assert loaded[0].text == 64


def test_every_key_is_accounted_for(file: Path, tmp_path: Path) -> None:
    tensors = load_file(file)
    prefixed = tmp_path / "prefixed.safetensors"
    save_file({f"model.{key}": value for key, value in tensors.items()}, prefixed)
    assert load_gligen(prefixed, **EVERYTHING).text == 64
    one = next(key for key in tensors if key.endswith("fuser.norm2.bias"))
    for changed, message in (
        ({key: value for key, value in tensors.items() if key != one}, "1 tensors are missing, such as 'fusers"),
        (tensors | {"other": torch.zeros(1)}, "unexpected key: 'other'"),
        (tensors | {one: torch.zeros(3)}, "has shape \\[3\\], which does not fit"),
        ({"x": torch.zeros(1)}, "no GLIGEN model for boxes with texts, but something unknown"),
    ):
        save_file(changed, tmp_path / "bad.safetensors")
        with pytest.raises(CheckpointError, match=message):
            load_gligen(tmp_path / "bad.safetensors", **EVERYTHING)


def test_what_does_not_fit_is_refused(model: Gligen, open_checkpoint: Callable[..., Any]) -> None:
    loaded, other = open_checkpoint("sd1"), open_checkpoint("sdxl")
    prompt = loaded.clip.encode("a cat")
    boxed = with_box(prompt, model, loaded.clip, "a cat", CAT)
    with pytest.raises(DiffusionError, match="reads texts of width 64, the CLIP gives 80"):
        with_box(other.clip.encode("a cat"), model, other.clip, "a cat", CAT)
    again = Gligen(model.network, model.text)
    with pytest.raises(DiffusionError, match="boxes of another GLIGEN model"):
        with_box(boxed, again, loaded.clip, "a dog", DOG)
    foreign = [[other.clip.encode("a cat")[0][0], other.clip.encode("a cat")[0][1] | {"gligen": boxed[0][1]["gligen"]}]]
    with pytest.raises(DiffusionError, match="fits 10 attentions of widths \\[32, 64\\], this one has 7 of \\[64\\]"):
        ksample(
            other.model,
            {"samples": torch.zeros(1, 4, 8, 8)},
            positive=foreign,
            negative=foreign,
            seed=1,
            steps=1,
            cfg=1.0,
            sampler="euler",
            scheduler="normal",
        )
    with pytest.raises(DiffusionError, match="which are of the whole picture, and an area"):
        sampled(loaded, [[boxed[0][0], boxed[0][1] | {"area": (4, 4, 0, 0)}]])
    with pytest.raises(DiffusionError, match="not in tiles"):
        TiledConditionings([boxed], 8, 8, 8)
    for _ in range(MOST_BOXES - 1):
        boxed = with_box(boxed, model, loaded.clip, "a cat", CAT)
    with pytest.raises(DiffusionError, match="has 30 boxes, which is the most"):
        with_box(boxed, model, loaded.clip, "a cat", CAT)
