"""Control-LoRAs: the same as a ControlNet whose weights were put together by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.sd.keymaps import unet_keymap
from weft.nodes.diffusion.families.sd.tiny import CONTROL, controlnet_shapes
from weft.nodes.diffusion.sampling.conditions import SamplingRun
from weft.nodes.diffusion.sampling.control import Control, load_controlnet
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.weightfile import opened

EVERYTHING: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}
# A layer that the file says nothing of.
UNTOUCHED = "middle_block.2.in_layers.2.weight"


class Doubled:
    identity = "doubled"
    nbytes = 0
    networks = ()

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        return weight * 2.0


@pytest.fixture(scope="module")
def xl(open_checkpoint: Callable[..., Any]) -> Any:
    return open_checkpoint("sdxl")


@pytest.fixture(scope="module")
def shapes(make_checkpoint: Callable[..., Path]) -> dict[str, tuple[int, ...]]:
    """Of a ControlNet for the model, in the original layout."""
    found = controlnet_shapes(opened(make_checkpoint("sdxl")).shapes)
    return {key.removeprefix(CONTROL): shape for key, shape in found.items()}


@pytest.fixture(scope="module")
def tensors(xl: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A control-LoRA: what the UNet has as matrices and convolutions as products, the rest whole."""
    torch.manual_seed(2)
    of_unet, made = unet_keymap(xl.kind.unet), {"lora_controlnet": torch.zeros(1)}
    for key, shape in shapes.items():
        if key in of_unet and len(shape) > 1:
            layer = key.removesuffix(".weight")
            ones = [1] * (len(shape) - 2)
            if key != UNTOUCHED:
                made[f"{layer}.up"] = torch.randn(shape[0], 2, *ones) * 0.1
                made[f"{layer}.down"] = torch.randn(2, *shape[1:]) * 0.1
        else:
            made[key] = torch.randn(shape) * 0.1
    return made


def put_together(tensors: Mapping[str, Tensor], shapes: Mapping[str, Any], xl: Any, network: PatchedNetwork) -> Any:
    """The whole ControlNet in the original layout."""
    names, weights = unet_keymap(xl.kind.unet), dict(network.module().named_parameters())
    whole = {}
    for key in shapes:
        layer = key.removesuffix(".weight")
        if key in tensors:
            whole[key] = tensors[key]
        elif f"{layer}.up" in tensors:
            up, down = tensors[f"{layer}.up"], tensors[f"{layer}.down"]
            product = torch.einsum("or,ri...->oi...", up.flatten(1), down)
            whole[key] = weights[names[key]] + product
        else:
            whole[key] = weights[names[key]].clone()
    return whole


def residuals(path: Path, xl: Any, network: PatchedNetwork) -> list[Any]:
    denoiser = xl.kind.denoiser(network.module(), xl.model.sampling, xl.model.latent_format)
    run = SamplingRun(denoiser, (1, 4, 8, 8), torch.device("cpu"))
    torch.manual_seed(4)
    added = {"text_embeds": torch.randn(1, 80), "time_ids": torch.full((1, 6), 64.0)}
    sample, context, hint = torch.randn(1, 4, 8, 8), torch.randn(1, 5, 144), torch.rand(1, 64, 64, 3)
    net = load_controlnet(path, **EVERYTHING)
    given = sample, torch.tensor([500.0]), context, added, torch.tensor(2.0)
    with torch.inference_mode():
        return Control(net, hint, 0.7).bind(run).residuals(*given)


@pytest.mark.parametrize("patched", [False, True])
def test_it_is_the_controlnet_of_the_weights_put_together(
    patched: bool, xl: Any, shapes: Mapping[str, Any], tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    """Of those that the model has when it samples, with its LoRAs; they stay as they are."""
    network = xl.model.network
    if patched:
        changed = ("conv_in.weight", "mid_block.resnets.1.conv1.weight")
        network = network.with_patches(dict.fromkeys(changed, Doubled()), 1.0)
    before = {name: weight.clone() for name, weight in network.module().named_parameters()}
    save_file(tensors, tmp_path / "lora.safetensors")
    save_file(put_together(tensors, shapes, xl, network), tmp_path / "whole.safetensors")
    made, expected = (residuals(tmp_path / f"{name}.safetensors", xl, network) for name in ("lora", "whole"))
    assert len(made) == len(expected)
    for mine, other in zip(made, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    assert max(float(part.abs().max()) for part in made) > 0.01
    assert all(torch.equal(weight, before[name]) for name, weight in network.module().named_parameters())
    if patched:
        plain = residuals(tmp_path / "lora.safetensors", xl, xl.model.network)
        assert not torch.allclose(plain[-1], made[-1], atol=1e-4)


def test_room_is_made_for_it(xl: Any, tensors: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "lora.safetensors")
    net, asked = load_controlnet(tmp_path / "lora.safetensors", **EVERYTHING), list[int]()
    denoiser = xl.kind.denoiser(xl.model.network.module(), xl.model.sampling, xl.model.latent_format)
    memory: Any = SimpleNamespace(make_room=asked.append)
    made = net.kind.joined(net.network.module(), denoiser, memory)
    assert asked == [sum(each.nbytes for each in made.parameters())]


def test_a_model_of_another_family(
    open_checkpoint: Callable[..., Any], tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "lora.safetensors")
    other = open_checkpoint("sd1")
    with pytest.raises(DiffusionError, match="its control-LoRA is for a Stable Diffusion XL model with 144-wide text"):
        residuals(tmp_path / "lora.safetensors", other, other.model.network)


def test_a_model_with_other_inputs(
    open_checkpoint: Callable[..., Any], tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "lora.safetensors")
    other = open_checkpoint("sdxl", 9)
    words = r"whose 'conv_in.weight' is \[32, 4, 3, 3\]; in this model it is \[32, 9, 3, 3\]"
    with pytest.raises(DiffusionError, match=words):
        residuals(tmp_path / "lora.safetensors", other, other.model.network)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("middle_block.0.emb_layers.1.down", "missing key 'middle_block.0.emb_layers.1.down': a control-LoRA has up"),
        ("zero_convs.1.0.weight", "missing key 'zero_convs.1.0.weight': a control-LoRA has it whole"),
        ("input_hint_block.0.weight", "not a Stable Diffusion ControlNet, but a control-LoRA"),
    ],
)
def test_files_that_are_not_whole(key: str, words: str, tensors: dict[str, Tensor], tmp_path: Path) -> None:
    save_file({name: tensor for name, tensor in tensors.items() if name != key}, tmp_path / "lora.safetensors")
    with pytest.raises(CheckpointError, match=f"lora.safetensors: .*{words}"):
        load_controlnet(tmp_path / "lora.safetensors", **EVERYTHING)
