"""Whatever makes pixels or latents of a network says so where that gave NaN or infinity."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.finite import finite
from weft.nodes.diffusion.values.pixels import to_uint8
from weft.nodes.diffusion.values.upscale_models import UpscaleModel
from weft.nodes.diffusion.values.vae import KLVae
from weft.nodes.diffusion.weights.patched import PatchedNetwork

VALUE = torch.tensor(2.0)


class Autoencoder(nn.Module):
    """Repeats pixels and cells, times a weight: what is NaN in it comes out everywhere."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight), requires_grad=False)

    def encode(self, pixels: Tensor) -> Any:
        latent = pixels[:, :1, ::8, ::8].expand(-1, 4, -1, -1) * self.weight
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latent))

    def decode(self, latent: Tensor) -> Any:
        return SimpleNamespace(sample=latent[:, :3].repeat_interleave(8, 2).repeat_interleave(8, 3) * self.weight)

    def forward(self, image: Tensor) -> Tensor:
        return image * self.weight


def vae(net: Autoencoder) -> KLVae:
    return KLVae(PatchedNetwork(net), latent_channels=4, downscale=8)


CALLS: dict[str, tuple[Callable[[Autoencoder, Tensor], Tensor], str]] = {
    "encode": (lambda net, x: vae(net).encode(x), "the VAE's encoder"),
    "encode_tiled": (lambda net, x: vae(net).encode_tiled(x, 32, 32, 8), "the VAE's encoder"),
    "decode": (lambda net, x: vae(net).decode(x[..., :4].movedim(-1, 1)), "the VAE's decoder"),
    "decode_tiled": (
        lambda net, x: vae(net).decode_tiled(x[..., :4].movedim(-1, 1), 16, 16, 4),
        "the VAE's decoder",
    ),
    "upscale": (lambda net, x: UpscaleModel(PatchedNetwork(net), 1, 4).upscale(x), "the upscale model"),
}


@pytest.mark.parametrize("name", CALLS)
def test_nan_is_no_picture(name: str) -> None:
    call, what = CALLS[name]
    image = torch.rand(1, 32, 32, 4)
    call(Autoencoder(1.0), image)
    for weight in (float("nan"), float("inf")):
        with pytest.raises(
            DiffusionError, match=f"^{what} gave NaN or infinity in float32; its file is probably damaged"
        ):
            call(Autoencoder(weight), image)
    image[0, :8, :8] = float("nan")
    with pytest.raises(DiffusionError, match=f"^{what} was given NaN or infinity"):
        call(Autoencoder(1.0), image)


def test_float16_is_named_as_the_likely_cause() -> None:
    module = nn.Linear(1, 1, bias=False).half().requires_grad_(False)
    double = finite(module, lambda _, x: x.half() * 60000, "it")
    assert double(torch.ones(1)).item() == 60000
    with pytest.raises(DiffusionError, match="in float16; it may overflow float16: try bfloat16 or float32"):
        double(VALUE)


def test_no_bytes_are_made_of_nan() -> None:
    with pytest.raises(DiffusionError, match=r"the image \[2\] has NaN in it"):
        to_uint8(torch.tensor([0.5, float("nan")]))
