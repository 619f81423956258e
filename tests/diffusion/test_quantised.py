"""Files in float8 and int8 with scales: what they stand for, what a patch leaves in them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.wan.tiny import small_file
from weft.nodes.diffusion.interop.weights import SetPatch
from weft.nodes.diffusion.weights.checkpoint import load_unet
from weft.nodes.diffusion.weights.landings import fused
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.packed import PackedTensor
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.quantised import ScaledFloat8, ScaledInt8, rotation, widened
from weft.nodes.diffusion.weights.weightfile import HeldWeights

LAYER = "blocks.0.self_attn.q"
WEIGHT = torch.randn(16, 64, generator=torch.Generator().manual_seed(0))
SCALE = WEIGHT.abs().max() / 448
FLOAT8 = (WEIGHT / SCALE).to(torch.float8_e4m3fn)


def described(how: dict[str, Any]) -> Tensor:
    return torch.tensor(list(json.dumps(how).encode()), dtype=torch.uint8)


def read(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Tensor:
    file = widened(HeldWeights({f"{LAYER}.bias": torch.ones(2), **tensors}, metadata))
    assert set(file.shapes) == {f"{LAYER}.weight", f"{LAYER}.bias"}
    weight = file.tensor(f"{LAYER}.weight")
    assert isinstance(weight, PackedTensor)
    assert weight.nbytes < 20 * 64  # a byte for each number, and the scale
    assert torch.equal(dict(file.tensors())[f"{LAYER}.weight"], weight)
    return weight.widened()


def test_scaled_float8() -> None:
    """In each of the ways to say it."""
    stored = {f"{LAYER}.weight": FLOAT8}
    of_old = {f"{LAYER}.scale_weight": SCALE, f"{LAYER}.scale_input": SCALE, "scaled_fp8": torch.zeros(2)}
    of_today = {f"{LAYER}.weight_scale": SCALE}
    how = {"format": "float8_e4m3fn"}
    in_metadata = {"_quantization_metadata": json.dumps({"layers": {LAYER: how}})}
    results = [
        read({**stored, **of_old}),
        read({**stored, **of_today, f"{LAYER}.comfy_quant": described(how)}),
        read({**stored, **of_today}, in_metadata),
    ]
    for result in results:
        assert torch.equal(result, FLOAT8.float() * SCALE)
    torch.testing.assert_close(results[0], WEIGHT, rtol=0.07, atol=0.01)


@pytest.mark.parametrize("rotated", [0, 16, 64])
def test_int8(rotated: int) -> None:
    turned = WEIGHT
    if rotated:
        turned = (WEIGHT.reshape(16, -1, rotated) @ rotation(rotated)).reshape(16, 64)
    scale = turned.abs().amax(dim=1, keepdim=True) / 127
    how = {"format": "int8_tensorwise", "convrot": bool(rotated), "convrot_groupsize": rotated}
    result = read(
        {
            f"{LAYER}.weight": (turned / scale).round().to(torch.int8),
            f"{LAYER}.weight_scale": scale,
            f"{LAYER}.comfy_quant": described(how),
        }
    )
    torch.testing.assert_close(result, WEIGHT, rtol=0.0, atol=0.03)


def test_the_rotation_is_its_own_inverse() -> None:
    for size in (4, 16, 64, 256):
        torch.testing.assert_close(rotation(size) @ rotation(size), torch.eye(size))
    with pytest.raises(CheckpointError, match="rotated in groups of 8 columns: expected a power of 4"):
        rotation(8)


@pytest.mark.parametrize("form", [ScaledFloat8(), ScaledInt8(), ScaledInt8(16)])
def test_a_patched_layer_is_rounded_once_more(form: Any) -> None:
    once = form.again(LAYER, WEIGHT)
    assert once.nbytes <= WEIGHT.nbytes // 3
    assert not torch.equal(once, WEIGHT)
    torch.testing.assert_close(once, WEIGHT, rtol=0.13, atol=0.03)
    assert torch.equal(once, form.again(LAYER, WEIGHT))
    assert not form.again(LAYER, torch.zeros(2, 16)).any()


def test_an_int8_layer_rounds_what_it_reads() -> None:
    """Whole numbers times whole numbers: exact, and not the product with the numbers that the weight stands for."""
    form = ScaledInt8(16)
    weight = form.again(LAYER, WEIGHT)
    assert isinstance(weight, PackedTensor)
    assert weight.scale is not None
    x, bias = torch.randn(2, 3, 64, generator=torch.Generator().manual_seed(1)), torch.ones(16)
    turned = (x.reshape(2, 3, -1, 16) @ rotation(16)).reshape(2, 3, 64)
    scale = turned.abs().amax(dim=-1, keepdim=True) / 127
    whole = (turned / scale).round().double() @ weight.packed.double().t()
    expected = (whole * scale.double() * weight.scale.double().reshape(-1) + 1).float()
    result = torch.nn.functional.linear(x, weight, bias)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-5)
    plain = torch.nn.functional.linear(x, weight.widened(), bias)
    assert 1e-4 < float((result - plain).abs().max()) < 0.5
    assert form.linear(x.bfloat16(), weight, None).dtype == torch.bfloat16


def test_what_a_file_stores_as_one_layer_is_packed_as_one() -> None:
    """A LoRA on the queries gives the values another scale, too: the file has one for all three."""
    base = torch.nn.ModuleDict({name: torch.nn.Linear(8, 4, bias=False) for name in "qkv"}).requires_grad_(False)
    landings = {"qkv.weight": fused({f"{name}.weight": 4 for name in "qkv"})}
    form, stored = ScaledFloat8(), torch.randn(12, 8, generator=torch.Generator().manual_seed(0))
    whole = PackedTensor(form, stored.to(torch.float8_e4m3fn), torch.tensor(1.0), (12, 8), torch.float32)
    for landing in landings["qkv.weight"]:
        part = landing.change(whole)
        assert isinstance(part, PackedTensor)
        base[landing.target[0]].weight = torch.nn.Parameter(part, requires_grad=False)
    network = PatchedNetwork(base, landings=landings)
    patched = network.with_patches({"q.weight": SetPatch(torch.full((4, 8), 9.0), "nine")}, 1.0)
    merged = torch.cat([torch.full((4, 8), 9.0), stored.to(torch.float8_e4m3fn).float()[4:]])
    expected = form.again("qkv.weight", merged)
    made = patched.module()
    assert torch.equal(torch.cat([made.get_parameter(f"{name}.weight") for name in "qkv"]), expected)
    assert not torch.equal(made.get_parameter("v.weight"), base.get_parameter("v.weight"))
    assert patched.nbytes == sum(each.nbytes for each in made.parameters()) + 4 * 8 * 4
    assert network.module() is base


def test_a_lora_on_a_scaled_layer_is_kept_in_as_few_bits(tmp_path: Path) -> None:
    tensors = small_file("diffusion_models", "wan", "wan")
    assert tensors is not None
    weight = tensors[f"{LAYER}.weight"].float()
    scale = weight.abs().max() / 448
    tensors |= {
        f"{LAYER}.weight": (weight / scale).to(torch.float8_e4m3fn),
        f"{LAYER}.scale_weight": scale,
        "scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn),
    }
    save_file({key: value.contiguous() for key, value in tensors.items()}, tmp_path / "scaled.safetensors")
    model = load_unet(tmp_path / "scaled.safetensors", device=torch.device("cpu"), dtype=torch.float32)
    up, down = torch.randn(128, 4), torch.randn(4, 128)
    lora = {f"diffusion_model.{LAYER}.lora_up.weight": up, f"diffusion_model.{LAYER}.lora_down.weight": down}
    save_file(lora, tmp_path / "lora.safetensors")
    patched, _, _ = apply_lora(model, None, load_lora(tmp_path / "lora.safetensors"), 1.0, 0.0)
    assert patched is not None
    name = "blocks.0.attn1.to_q.weight"
    merged = model.network.base.get_parameter(name) + up @ down
    assert torch.equal(patched.network.module().get_parameter(name), ScaledFloat8().again(f"{LAYER}.weight", merged))
    assert torch.equal(model.network.module().get_parameter(name), model.network.base.get_parameter(name))


def test_what_nobody_reads_is_refused_by_its_name() -> None:
    scale = {f"{LAYER}.weight": FLOAT8, f"{LAYER}.weight_scale": SCALE}
    for tensors, told in (
        ({**scale, f"{LAYER}.comfy_quant": described({"format": "nvfp4"})}, "is quantised as 'nvfp4', which is not"),
        ({**scale, f"{LAYER}.comfy_quant": torch.zeros(3, dtype=torch.uint8)}, "comfy_quant' is no JSON"),
        (scale, r"weight_scale' says that the file is quantised, and nothing in it says how"),
        (
            {f"{LAYER}.weight": FLOAT8, f"{LAYER}.comfy_quant": described({"format": "float8_e4m3fn"})},
            f"the quantised layer '{LAYER}' has no scale",
        ),
    ):
        with pytest.raises(CheckpointError, match=told):
            widened(HeldWeights(tensors))
    plain = HeldWeights({f"{LAYER}.weight": FLOAT8})
    assert widened(plain) is plain
