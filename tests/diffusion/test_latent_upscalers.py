"""The learned latent upscaler: opened, run, and what is none. Its weights are nobody's to ship: these are random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.values.latent_upscalers import upscale_with
from weft.nodes.diffusion.weights.memory import DeviceMemory

MEMORY = DeviceMemory(torch.device("cpu"))
LATENT = {"samples": torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(1)), "batch_index": [0, 1]}


def network(factor: float, inner: int = 3) -> nn.Sequential:
    """As it is published: the keys are places in one nn.Sequential."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=factor), nn.ReLU()]
    for _ in range(inner):
        layers += [nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(6, 4, 3, padding=1)).requires_grad_(False)


def stored(net: nn.Module, folder: Path, **others: Tensor) -> Path:
    path = folder / "net.safetensors"
    save_file({f"sequential.{name}": tensor for name, tensor in net.state_dict().items()} | others, path)
    return path


@pytest.mark.parametrize("factor", [1.25, 1.5, 2.0])
def test_it_computes_what_its_layers_say(factor: float, tmp_path: Path) -> None:
    net = network(factor)
    result = upscale_with(stored(net, tmp_path), LATENT, factor, MEMORY)
    assert result["samples"].shape == (2, 4, int(8 * factor), int(12 * factor))
    assert torch.allclose(result["samples"], net(LATENT["samples"]), atol=1e-6)
    assert result["batch_index"] == [0, 1]


def test_a_mask_is_enlarged_too(tmp_path: Path) -> None:
    latent: dict[str, Any] = {**LATENT, "noise_mask": torch.ones(1, 64, 96)}
    result = upscale_with(stored(network(1.5), tmp_path), latent, 1.5, MEMORY)
    assert result["noise_mask"].shape == (1, 96, 144)


def test_bad_input(tmp_path: Path) -> None:
    path = stored(network(2.0), tmp_path)
    with pytest.raises(DiffusionError, match="takes 4 channels, got 16"):
        upscale_with(path, {"samples": torch.zeros(1, 16, 8, 8)}, 2.0, MEMORY)
    save_file({"decoder.up.0.weight": torch.zeros(1)}, tmp_path / "vae.safetensors")
    with pytest.raises(CheckpointError, match=r"vae.safetensors: no SD-Latent-Upscaler, but a VAE"):
        upscale_with(tmp_path / "vae.safetensors", LATENT, 2.0, MEMORY)
    with pytest.raises(CheckpointError, match="1 unexpected key: 'other'"):
        upscale_with(stored(network(2.0), tmp_path, other=torch.zeros(1)), LATENT, 2.0, MEMORY)
