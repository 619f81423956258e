"""LoRAs that have FLUX.1 dev read a picture beside the latent, as Depth and Canny do."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders.lora_pipeline import FluxLoraLoaderMixin
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import pad

from weft.nodes.diffusion.errors import DiffusionError, DiffusionWarning, PatchError
from weft.nodes.diffusion.families import small_file
from weft.nodes.diffusion.families.flux.kind import FluxKind
from weft.nodes.diffusion.families.flux.tiny import sizes
from weft.nodes.diffusion.weights import float8
from weft.nodes.diffusion.weights.checkpoint import load_unet
from weft.nodes.diffusion.weights.export import save_model
from weft.nodes.diffusion.weights.hooks import LoraChange
from weft.nodes.diffusion.weights.lora import Lora, apply_lora, lora_of
from weft.nodes.diffusion.weights.merge import merge_models, weighted
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

ON_CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
ROWS, POOLED = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(1)), torch.ones(1, 32)
QKV, NORM = "double_blocks.0.img_attn.qkv", "double_blocks.0.img_attn.norm.key_norm"
EMBEDDER = "x_embedder.weight"


def noise(*shape: int, seed: int = 2) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def layer(name: str, rows: int, columns: int, seed: int = 3) -> dict[str, Tensor]:
    factors = {"lora_A.weight": noise(4, columns, seed=seed), "lora_B.weight": 0.1 * noise(rows, 4, seed=seed)}
    return {f"{name}.{role}": factor for role, factor in (factors | {"lora_B.bias": noise(rows, seed=seed)}).items()}


DEPTH = layer("img_in", 128, 128) | layer(QKV, 384, 128) | {f"{NORM}.scale": noise(128)}
TURBO = {f"transformer.x_embedder{key}": factor for key, factor in layer("", 128, 64, seed=4).items()}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flux") / "dev.safetensors"
    tensors = small_file("diffusion_models", "flux1-dev", "flux", Path())
    assert tensors is not None
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    return path


@pytest.fixture(scope="module")
def dev(file: Path) -> ModelPatcher:
    return load_unet(file, **ON_CPU)


def put(model: ModelPatcher, lora: Lora, strength: float = 1.0) -> ModelPatcher:
    changed, _, report = apply_lora(model, None, lora, strength, 0.0)
    assert changed is not None
    assert not (report.unmatched or report.misfits)
    return changed


def weight(model: ModelPatcher, name: str = EMBEDDER) -> Tensor:
    return model.network.module().get_parameter(name)


def sampled(model: ModelPatcher, latent: Any = None, **changes: Any) -> Any:
    options = {"pooled_output": POOLED, **changes.pop("options", {"concat_latent_image": noise(1, 16, 4, 6)})}
    prompt = [[ROWS, options]]
    settings: dict[str, Any] = {
        "seed": 3, "cfg": 1.0, "steps": 4, "sampler": "euler", "scheduler": "normal", "positive": prompt,
        "negative": prompt, **changes,
    }  # fmt: skip
    return ksample(model, latent or {"samples": torch.zeros(1, 16, 4, 6)}, **settings)


def test_the_first_layer_reads_more_as_diffusers_has_it(dev: ModelPatcher) -> None:
    lora = layer("transformer.x_embedder", 128, 128)
    changed = put(dev, lora_of(lora), 0.5)
    expanded: Any = FluxKind(sizes(guidance=True)).model_part().module.to_empty(device="cpu")
    expanded.load_state_dict(dev.network.base.state_dict())
    assert FluxLoraLoaderMixin._maybe_expand_transformer_param_shape_or_error_(expanded, dict(lora))
    change = lora["transformer.x_embedder.lora_B.weight"] @ lora["transformer.x_embedder.lora_A.weight"]
    torch.testing.assert_close(weight(changed), expanded.get_parameter(EMBEDDER) + 0.5 * change)
    bias = expanded.get_parameter("x_embedder.bias") + 0.5 * lora["transformer.x_embedder.lora_B.bias"]
    torch.testing.assert_close(weight(changed, "x_embedder.bias"), bias)
    # What the pipeline gives it: the rows of the latent, and behind each those of the picture.
    calls: list[Tensor] = []
    hook = changed.network.module().register_forward_hook(lambda _, args, __: calls.append(args[0]))
    sampled(changed, steps=1)
    hook.remove()
    assert calls[0].shape[-1] == expanded.config.in_channels == 128


def test_it_is_canny_or_depth_then_and_the_model_is_as_it_was(dev: ModelPatcher) -> None:
    changed = put(dev, lora_of(DEPTH))
    assert (changed.kind.title, dev.kind.title) == ("FLUX.1 Canny or Depth", "FLUX.1 dev")
    with pytest.raises(DiffusionError, match="Canny or Depth reads a picture .* none: connect InstructPixToPix"):
        sampled(changed, options={})
    one, other = (sampled(changed, options={"concat_latent_image": noise(1, 16, 4, 6, seed=n)}) for n in (2, 3))
    assert not torch.equal(one["samples"], other["samples"])
    # Off: the network that was there, which reads no picture.
    assert weight(dev).shape == weight(put(dev, lora_of(DEPTH), 0.0)).shape == (128, 64)
    with pytest.warns(DiffusionWarning, match="InstructPixToPixConditioning.* FLUX.1 dev does not read: left out"):
        left_out = sampled(dev)["samples"]
    assert torch.equal(left_out, sampled(dev, options={})["samples"])


def test_each_of_its_layers_acts(dev: ModelPatcher) -> None:
    changed = put(dev, lora_of(DEPTH), 0.25)
    change = 0.25 * DEPTH["img_in.lora_B.weight"] @ DEPTH["img_in.lora_A.weight"]
    torch.testing.assert_close(weight(changed), pad(weight(dev), (0, 64)) + change)
    # Norms are set, not changed by as much as the strength says.
    name = "transformer_blocks.0.attn."
    assert torch.equal(weight(changed, f"{name}norm_k.weight"), DEPTH[f"{NORM}.scale"])
    moved = 0.25 * DEPTH[f"{QKV}.lora_B.bias"][128:256]
    torch.testing.assert_close(weight(changed, f"{name}to_k.bias"), weight(dev, f"{name}to_k.bias") + moved)


def test_other_loras_go_with_it_in_any_order(dev: ModelPatcher) -> None:
    depth, turbo = lora_of(DEPTH), lora_of(TURBO)
    both = [put(put(dev, depth, 0.5), turbo, 2.0), put(put(dev, turbo, 2.0), depth, 0.5)]
    torch.testing.assert_close(weight(both[0]), weight(both[1]))
    assert not torch.equal(weight(both[0]), weight(put(dev, depth, 0.5)))
    twice = put(put(dev, depth), depth)
    assert weight(twice).shape == (128, 128)
    assert both[0].network.identity != both[1].network.identity != put(dev, depth).network.identity


@pytest.mark.parametrize("form", [None, "fp8_e4m3fn"])
def test_two_stages_are_the_single_run_bit_for_bit(file: Path, form: str | None) -> None:
    base = load_unet(file, rounded=None if form is None else float8.FORMATS[form], **ON_CPU)
    model = put(base, lora_of(DEPTH))
    assert weight(model).shape == (128, 128)
    assert model.network.nbytes > 0
    settings: dict[str, Any] = {"mode": "continuous", "sampler": "dpmpp_2m"}
    whole = sampled(model, **settings)["samples"]
    first = sampled(model, end=2, **settings)
    assert torch.equal(sampled(model, first, start=2, add_noise=False, **settings)["samples"], whole)
    assert bool(whole.isfinite().all())


def test_it_is_written_as_the_model_that_it_is(dev: ModelPatcher, tmp_path: Path) -> None:
    changed, stream, said = put(dev, lora_of(DEPTH)), io.BytesIO(), list[str]()
    save_model(stream, changed, None, None, title="depth", metadata={}, warn=said.append)
    # The other layer of the LoRA is merged in use; the wider one is wide in memory, too.
    (told,) = said
    assert told.startswith("1 of 52 tensors are written as float32, and have fewer bits in memory")
    path = tmp_path / "depth.safetensors"
    path.write_bytes(stream.getvalue())
    again = load_unet(path, **ON_CPU)
    assert again.kind.title == "FLUX.1 Canny or Depth"
    torch.testing.assert_close(sampled(again)["samples"], sampled(changed)["samples"])
    # A merge takes nothing of the other model for what reads the picture.
    merged, left = merge_models(changed, dev, lambda name: weighted(0.5))
    assert left == [EMBEDDER]
    assert weight(merged).shape == (128, 128)


def test_what_makes_no_sense_is_refused(dev: ModelPatcher) -> None:
    with pytest.raises(PatchError, match=r"has FLUX.1 dev read 80 numbers a patch .* reads 64: .* for 128, 384"):
        apply_lora(dev, None, lora_of(layer("img_in", 128, 80)), 1.0, 0.0)
    with pytest.raises(
        PatchError, match=r"has FLUX.1 Canny or Depth read 384 numbers .*: expected a model that reads 64"
    ):
        apply_lora(put(dev, lora_of(DEPTH)), None, lora_of(layer("img_in", 128, 384)), 1.0, 0.0)
    with pytest.raises(PatchError, match="makes FLUX.1 dev another model, FLUX.1 Canny or Depth, which no hook can do"):
        LoraChange(lora_of(DEPTH)).model(dev, 1.0, print)
    # A layer that reads no patches stays as wide as it is.
    _, _, report = apply_lora(dev, None, lora_of(layer("double_blocks.0.img_attn.proj", 128, 160)), 1.0, 0.0)
    assert "make (128, 160), expected (128, 128)" in report.misfits["double_blocks.0.img_attn.proj"]
