"""Train the LoRA that turns the model's drawings into pixel art.

    python train_lora.py

Needs what train_vae.py and train_unet.py wrote. Stopped and started again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import torch
from drawings import render_pixels
from loop import MODELS, WORK, Run, device, scaled, write_atomically
from safetensors.torch import save_file
from specs import describe
from torch import Tensor, nn
from train_unet import Noising, captions, denoising_loss, encoded, load_networks
from words import Words

LORA = MODELS / "loras" / "weft-pixel.safetensors"
SEED = 11
RANK = 16
BATCH = 32
DRAWINGS = 2400
DESCRIPTION = "Pixel art for weft-tiny: blocks of 4 pixels. Without trigger words."


class Adapted(nn.Module):
    """A frozen linear layer or convolution, and a trained one of low rank beside it (Hu et al. 2021)."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer
        if isinstance(layer, nn.Conv2d):
            self.down: nn.Module = nn.Conv2d(
                layer.in_channels, RANK, layer.kernel_size, layer.stride, layer.padding, bias=False
            )
            self.up: nn.Module = nn.Conv2d(RANK, layer.out_channels, 1, bias=False)
        else:
            self.down = nn.Linear(layer.in_features, RANK, bias=False)
            self.up = nn.Linear(RANK, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, value: Tensor) -> Tensor:
        """The layer's output, changed."""
        return self.layer(value) + self.up(self.down(value))


def adapt(unet: nn.Module) -> dict[str, Adapted]:
    """Put an adapter on every layer of the denoiser's transformers and residual blocks; by the layer's name."""
    inner = ("attn1", "attn2", "ff.net", "proj_in", "proj_out", "conv1", "conv2")
    wanted = [
        (name, layer)
        for name, layer in unet.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and any(f".{part}" in name for part in inner)
    ]
    adapters = {}
    for name, layer in wanted:
        owner, _, leaf = name.rpartition(".")
        adapters[name] = Adapted(layer).to(device())
        setattr(unet.get_submodule(owner), leaf, adapters[name])
    return adapters


def tensors_of(adapters: dict[str, Adapted]) -> dict[str, Tensor]:
    """The adapters by the names that kohya's trainer gives them; alpha equals the rank, so their scale is 1."""
    tensors = {}
    for name, adapter in adapters.items():
        layer = "lora_unet_" + name.replace(".", "_")
        tensors[f"{layer}.lora_down.weight"] = adapter.down.weight
        tensors[f"{layer}.lora_up.weight"] = adapter.up.weight
        tensors[f"{layer}.alpha"] = torch.tensor(float(RANK))
    return {key: tensor.detach().cpu().half().contiguous() for key, tensor in tensors.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=WORK, help="where the work is kept")
    parser.add_argument("--steps", type=int, default=scaled(700))
    arguments = parser.parse_args()
    latents = encoded(arguments.folder, "latents_pixel", scaled(DRAWINGS), render_pixels)
    networks, words, noising = load_networks(arguments.folder), Words(), Noising()
    torch.manual_seed(SEED)
    for network in networks.values():
        network.requires_grad_(False)
    adapters = adapt(networks["unet"])
    trained = nn.ModuleDict({name.replace(".", "/"): adapter for name, adapter in adapters.items()})
    run = Run(arguments.folder / "lora.state", {"lora": trained}, steps=arguments.steps, rate=2e-3, decay=0.99)
    for step in run:
        rng, generator = random.Random(f"lora/{SEED}/step/{step}"), torch.Generator().manual_seed(SEED + step)
        indices = [rng.randrange(len(latents)) for _ in range(BATCH)]
        with torch.no_grad():
            context = networks["text"](input_ids=captions(indices, words, rng).to(device())).last_hidden_state
        run.update(denoising_loss(networks["unet"], context, latents[indices], noising, generator))
    run.finish()
    tensors = tensors_of(adapters)
    metadata = describe("lora", "Weft Pixel", DESCRIPTION, tensors) | {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(RANK),
        "ss_network_alpha": str(RANK),
        "ss_base_model_version": "sd_v1",
    }
    write_atomically(LORA, lambda path: save_file(tensors, path, metadata=metadata))
    print(f"{LORA.name}: {LORA.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
