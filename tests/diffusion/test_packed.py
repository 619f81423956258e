"""Weights that are kept as their file has them: who asks sees a tensor of the run's numbers, and memory does not."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from weft.nodes.diffusion.families.wan.tiny import small_file
from weft.nodes.diffusion.weights.checkpoint import load_unet
from weft.nodes.diffusion.weights.float8 import FORMATS
from weft.nodes.diffusion.weights.packed import AsStored, PackedTensor, kept_as, move
from weft.nodes.diffusion.weights.quantised import ScaledFloat8

STORED = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).to(torch.float8_e4m3fn)
X = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))


def packed(dtype: torch.dtype = torch.float32) -> PackedTensor:
    return PackedTensor(ScaledFloat8(), STORED, torch.tensor(0.5), (6, 4), dtype)


NUMBERS = STORED.float() * 0.5


def linear(weight: Tensor) -> nn.Linear:
    with torch.device("meta"):
        layer = nn.Linear(4, 6).requires_grad_(False)
    layer.load_state_dict({"weight": weight, "bias": torch.zeros(6)}, assign=True)
    return layer


def test_it_is_a_tensor_of_the_numbers_of_the_run() -> None:
    weight = packed(torch.bfloat16)
    seen = (weight.shape, weight.dtype, weight.device.type, weight.is_floating_point(), weight.numel())
    assert seen == ((6, 4), torch.bfloat16, "cpu", True, 24)
    assert weight.nbytes == 24 + 4
    assert torch.equal(weight, NUMBERS.bfloat16())
    assert torch.equal(torch.from_numpy(packed().numpy()), NUMBERS)
    assert packed().tolist() == NUMBERS.tolist()
    assert torch.equal(packed().t() @ NUMBERS, NUMBERS.t() @ NUMBERS)


@pytest.mark.parametrize("inference", [True, False])
def test_layers_compute_with_it(inference: bool) -> None:
    layer = linear(packed())
    assert isinstance(layer.weight, nn.Parameter)
    with torch.inference_mode(inference):
        assert torch.equal(layer(X), functional.linear(X, NUMBERS, torch.zeros(6)))
        # A view, which inference_mode has rules of its own for.
        assert torch.equal(layer.weight.unsqueeze(0) + 0, NUMBERS[None])
        places = torch.tensor([[5, 0], [1, 1]])
        assert torch.equal(functional.embedding(places, layer.weight), NUMBERS[places])
    learning = X.clone().requires_grad_()
    layer(learning).sum().backward()
    torch.testing.assert_close(learning.grad, NUMBERS.sum(0).expand(3, 4))


def test_rows_stay_packed_and_are_views() -> None:
    part: Any = packed()[2:4]
    assert isinstance(part, PackedTensor)
    assert part.packed.data_ptr() == STORED[2:].data_ptr()
    assert torch.equal(part, NUMBERS[2:4])
    assert not isinstance(packed()[:, 1:], PackedTensor)
    assert torch.equal(packed()[:, 1:], NUMBERS[:, 1:])


def test_it_is_copied_saved_and_moved_whole() -> None:
    layer = linear(packed())
    twin = copy.deepcopy(layer)
    assert isinstance(twin.weight, PackedTensor)
    assert isinstance(twin.weight, nn.Parameter)
    assert twin.weight.packed is layer.weight.packed  # never written into
    stream = io.BytesIO()
    torch.save(layer.state_dict(), stream)
    saved = torch.load(io.BytesIO(stream.getvalue()), weights_only=True)
    assert torch.equal(saved["weight"], NUMBERS)
    kept, meta = layer.weight, torch.device("meta")
    move(kept, meta)
    assert layer.weight is kept
    assert (kept.device, kept.packed.device, kept.scale.device) == (meta, meta, meta)
    assert isinstance(kept, nn.Parameter)
    assert twin.weight.device.type == "cpu"
    twin.to("meta")
    assert isinstance(twin.weight, PackedTensor)
    assert twin.weight.packed.device == meta
    assert torch.equal(packed().to(torch.float16), NUMBERS.half())


def test_nothing_is_written_into_it() -> None:
    with pytest.raises(RuntimeError, match="would write into a weight that is kept as its file has it"):
        packed().zero_()


def test_what_is_kept_and_what_is_widened() -> None:
    half, vector = torch.randn(2, 2).half(), torch.randn(2).half()
    assert isinstance(kept_as(half, torch.float32, packs=True), PackedTensor)
    assert type(kept_as(half, torch.float32, packs=False)) is Tensor
    assert kept_as(half, torch.float16, packs=True) is half
    assert type(kept_as(half, torch.bfloat16, packs=True)) is Tensor
    assert type(kept_as(vector, torch.float32, packs=True)) is Tensor
    assert isinstance(kept_as(STORED, torch.float32, packs=False), PackedTensor)
    again = kept_as(packed(), torch.bfloat16, packs=False)
    assert (type(again), again.dtype, again.nbytes) == (PackedTensor, torch.bfloat16, 28)


def wan(folder: Path, change: Any) -> Path:
    """A small Wan, its matrices changed."""
    tensors = small_file("diffusion_models", "wan", "wan")
    assert tensors is not None
    path = folder / "wan.safetensors"
    save_file({key: (change(each) if each.dim() == 2 else each) for key, each in tensors.items()}, path)
    return path


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_a_model_lies_in_memory_as_in_its_file(dtype: torch.dtype, tmp_path: Path) -> None:
    """Each matrix as far from the first as in the file: one mapping, and no copy of any. The run is in float32."""
    path = wan(tmp_path, lambda each: each.clone().to(dtype))
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    model = load_unet(path, device=torch.device("cpu"), dtype=torch.float32)
    places = {}
    for name, key in model.kind.names().items():
        weight = model.network.base.get_parameter(name)
        assert weight.dtype == torch.float32
        if weight.dim() == 2:
            assert isinstance(weight, PackedTensor)
            assert weight.packed.dtype == dtype
            places[header[key]["data_offsets"][0]] = weight.packed.data_ptr()
    assert len(places) > 20
    assert len({address - offset for offset, address in places.items()}) == 1
    assert model.model_size() < 1.1 * path.stat().st_size


def test_weight_dtype_keeps_a_byte_for_each_number(tmp_path: Path) -> None:
    path = wan(tmp_path, lambda each: each.clone())
    whole = load_unet(path, device=torch.device("cpu"), dtype=torch.float32)
    numbers = sum(each.numel() for each in whole.network.base.parameters())
    for name in ("fp8_e4m3fn", "fp8_e5m2"):
        model = load_unet(path, device=torch.device("cpu"), dtype=torch.float32, rounded=FORMATS[name])
        exact = model.network.base.get_parameter("patch_embedding.weight")
        rounded: Any = model.network.base.get_parameter("blocks.0.attn1.to_q.weight")
        assert rounded.packed.dtype == FORMATS[name].dtype
        assert torch.equal(exact, whole.network.base.get_parameter("patch_embedding.weight"))
        assert numbers <= model.model_size() < 1.1 * numbers + exact.nbytes


def test_another_number_format_keeps_them_packed(tmp_path: Path) -> None:
    path = wan(tmp_path, lambda each: each.clone().to(torch.float8_e4m3fn))
    network = load_unet(path, device=torch.device("cpu"), dtype=torch.float32).network
    weight: Any = network.in_format(torch.bfloat16).module().get_parameter("blocks.0.attn1.to_q.weight")
    assert (type(weight), weight.dtype, weight.packed.dtype) == (PackedTensor, torch.bfloat16, torch.float8_e4m3fn)
    assert isinstance(weight.form, AsStored)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_parts_of_a_weight_are_taken_while_a_run_computes(mode):
    table = torch.arange(24.0).reshape(1, 6, 4).half()
    network = nn.Module()
    network.table = nn.Parameter(kept_as(table, torch.float32, packs=True), requires_grad=False)
    with mode():
        for part in (lambda t: t[:, :3], lambda t: t[..., 1:], lambda t: t[0], lambda t: t[:], lambda t: t[None]):
            assert torch.equal(torch.zeros(()) + part(network.table), part(table.float()))
