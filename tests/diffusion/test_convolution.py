"""Convolutions on a CPU: the same sums by other ways, with the weights that a layer has now."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from weft.nodes.diffusion.weights.convolution import FEW, WIDE, Convolution, fast
from weft.nodes.diffusion.weights.networks import build
from weft.nodes.diffusion.weights.packed import AsStored, PackedTensor, put
from weft.nodes.diffusion.weights.patched import MergePatch, PatchedNetwork


def layer(channels: int = WIDE, outputs: int = 3, kernel: int = 3, seed: int = 0, **how: Any) -> nn.Conv2d:
    torch.manual_seed(seed)
    made = fast(nn.Conv2d(channels, outputs, kernel, **{"padding": kernel // 2, **how}))
    assert isinstance(made, Convolution)
    return made.requires_grad_(False)


def picture(channels: int = WIDE, side: int = 4, pictures: int = 2) -> Tensor:
    return torch.randn(pictures, channels, side, side, generator=torch.Generator().manual_seed(1))


def expected(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return functional.conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)


@pytest.fixture
def torchs(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What nn.Conv2d is asked for from here on."""
    asked = []
    original = nn.Conv2d._conv_forward

    def noted(self: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        asked.append(x)
        return original(self, x, weight, bias)

    monkeypatch.setattr(nn.Conv2d, "_conv_forward", noted)
    return asked


@pytest.mark.parametrize(
    "how", [{}, {"stride": 2}, {"bias": False}, {"padding": (0, 1)}, {"padding": "same"}, {"kernel": 2}]
)
@pytest.mark.parametrize("side", [3, 4, 7])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_many_channels_at_few_places_are_one_product(
    how: dict[str, Any], side: int, memory_format: torch.memory_format, torchs: list[Tensor]
) -> None:
    conv, x = layer(**how), picture(side=side).contiguous(memory_format=memory_format)
    made = conv(x)
    assert not torchs
    torch.testing.assert_close(made, expected(conv, x), rtol=1e-5, atol=1e-5)
    assert made.is_contiguous(memory_format=memory_format)


def test_of_bfloat16_too(torchs: list[Tensor]) -> None:
    conv, x = layer().to(torch.bfloat16), picture().to(torch.bfloat16)
    torch.testing.assert_close(conv(x), expected(conv, x))
    assert not torchs


@pytest.mark.parametrize(
    ("conv", "x"),
    [
        (layer(WIDE - 1), picture(WIDE - 1)),
        (layer(), picture(side=32, pictures=FEW // 1024 + 1)),
        (layer(kernel=1), picture()),
        (layer(outputs=4, groups=2), picture()),
        (layer(dilation=2), picture()),
        (layer(padding_mode="circular"), picture()),
        (layer().half(), picture().half()),
        (layer(), picture()[0]),
    ],
    ids=["narrow", "many places", "1x1", "groups", "dilation", "circular", "half", "no batch"],
)
def test_all_else_is_torchs(conv: nn.Conv2d, x: Tensor, torchs: list[Tensor]) -> None:
    conv(x)
    assert [asked.shape for asked in torchs] == [x.shape]


@pytest.mark.parametrize(
    ("dtype", "channels", "side", "beside"),
    [
        (torch.float32, 320, 64, False),
        (torch.bfloat16, 320, 64, True),
        (torch.bfloat16, 320, 63, False),
        (torch.bfloat16, 127, 64, False),
    ],
)
def test_channels_of_bfloat16_lie_beside_each_other_at_many_places(
    dtype: torch.dtype, channels: int, side: int, beside: bool, torchs: list[Tensor]
) -> None:
    conv, x = layer(channels, 1).to(dtype), torch.zeros(1, channels, side, side, dtype=dtype)
    x[:, :, 1, 1] = 1
    made = conv(x)
    assert torchs[-1].is_contiguous(memory_format=torch.channels_last) is beside
    torch.testing.assert_close(made, expected(conv, x))


def test_weights_that_change_are_those_that_count() -> None:
    conv, x = layer(), picture()
    seen = [conv(x)]

    def changed() -> None:
        seen.append(conv(x))
        torch.testing.assert_close(seen[-1], expected(conv, x), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(seen[-1], seen[-2])

    conv.weight.mul_(2)
    changed()
    put(conv.weight, conv.weight.data + 0.01)
    changed()
    conv.weight = nn.Parameter(conv.weight * -1, requires_grad=False)
    changed()
    conv.load_state_dict({"weight": torch.full((3, WIDE, 3, 3), 0.01), "bias": torch.ones(3)})
    changed()


def test_a_patch_is_in_its_network_and_in_no_other() -> None:
    x = picture()
    base, other = (PatchedNetwork(nn.Sequential(layer(seed=seed))) for seed in (0, 1))
    before = base.module()(x)
    for keep in (0.5, 0.25):
        patched = base.with_patches({"0.weight": MergePatch("0.weight", other, keep, 1 - keep)}, 1.0).module()
        twin, weights = patched.get_submodule("0"), [net.base.get_parameter("0.weight") for net in (base, other)]
        assert isinstance(twin, Convolution)
        merged = functional.conv2d(x, keep * weights[0] + (1 - keep) * weights[1], twin.bias, padding=1)
        torch.testing.assert_close(patched(x), merged, rtol=1e-5, atol=1e-5)
    assert torch.equal(base.module()(x), before)


def test_weights_kept_in_fewer_bits_give_what_they_stand_for(torchs: list[Tensor]) -> None:
    conv, x = layer(), picture()
    few = conv.weight.to(torch.bfloat16)
    conv.weight = nn.Parameter(
        PackedTensor(AsStored(), few, None, tuple(few.shape), torch.float32), requires_grad=False
    )
    with torch.inference_mode():
        made = conv(x)
    torch.testing.assert_close(made, functional.conv2d(x, few.float(), conv.bias, padding=1), rtol=1e-5, atol=1e-5)
    assert not torchs


def test_networks_are_built_so_and_keep_their_names() -> None:
    def make(_: object) -> nn.Module:
        return nn.Sequential(nn.Conv2d(4, 4, 3), nn.ModuleDict({"inner": nn.Conv2d(4, 4, 1)}))

    network = build("network", make, {})
    kinds = {name: type(module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    assert kinds == {"0": Convolution, "1.inner": Convolution}
    assert list(network.state_dict()) == list(make(None).state_dict())
