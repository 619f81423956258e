"""Train the denoiser together with the text encoder, on the latents of drawings.

    python train_unet.py
    torchrun --standalone --nproc-per-node 2 train_unet.py    the same in two processes, for two cores

Needs what `train_vae.py both` wrote. Stopped and started again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from drawings import caption, mixed_drawing, render
from loop import WORK, Run, device, join_others, load, meet_others, mixed_precision, scaled, write_atomically
from networks import LATENT_SCALE, new_text, new_unet, new_vae
from torch import Tensor, nn
from words import Words, with_strangers

from weft.nodes.diffusion.sampling.denoiser import ModelSampling

if TYPE_CHECKING:
    from collections.abc import Callable

    from drawings import Drawing
    from PIL import Image

SEED = 5
BATCH = 64
DRAWINGS = 12000
HIGHEST_WEIGHT = 15.0


def drawing_of(index: int) -> Drawing:
    """The drawing that stands at this place of the training set."""
    return mixed_drawing(random.Random(f"unet/{SEED}/{index}"))


@torch.no_grad()
def encoded(folder: Path, name: str, count: int, draw: Callable[[Drawing], Image.Image] = render) -> Tensor:
    """The latents [count, 4, 16, 16] that the denoiser learns from, kept in a file: encoded once."""
    path = folder / f"{name}.pt"
    latents = torch.load(path, weights_only=True) if path.is_file() else torch.empty(0, 4, 16, 16)
    if len(latents) >= count:
        return latents[:count]
    vae = new_vae()
    vae.load_state_dict(load(folder / "vae.pt"))
    parts = [latents]
    for start in range(len(latents), count, 32):
        pictures = np.stack([np.asarray(draw(drawing_of(i))) for i in range(start, min(start + 32, count))])
        images = torch.from_numpy(pictures).movedim(-1, 1).float() / 127.5 - 1
        images = images.to(device()).contiguous(memory_format=torch.channels_last)
        with mixed_precision():
            latent = vae.encode(images).latent_dist.mode()
        parts.append(latent.float().cpu() * LATENT_SCALE)
        if start // 32 % 50 == 0:
            print(f"{name}: {start}/{count} encoded", flush=True)
    latents = torch.cat(parts)
    write_atomically(path, lambda partial: torch.save(latents, partial))
    return latents


class Noising:
    """The schedule of SD1.x, and how much an error at each of its steps counts."""

    def __init__(self) -> None:
        sigmas = ModelSampling.discrete("eps").sigmas.double()
        snr = sigmas**-2
        self.kept = (1 / (1 + sigmas**2)).sqrt().float()
        self.added = (sigmas**2 / (1 + sigmas**2)).sqrt().float()
        # Hang et al. 2023 (min-SNR-5) for the noise, with more weight on the noisiest steps, where the thing and its
        # place are settled.
        weight = ((snr.clamp(max=5) + 0.15) / snr).clamp(max=HIGHEST_WEIGHT)
        self.weight = (weight / weight.mean()).float()

    def __call__(self, latents: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noised latents, the noise, the steps, the weights."""
        # One in each share of the steps: the loss is steadier than with independent ones.
        count = len(latents)
        steps = (torch.arange(count) + torch.rand(count, generator=generator)) * len(self.kept) / count
        steps = steps.long()[torch.randperm(count, generator=generator)]
        noise = torch.randn(latents.shape, generator=generator)
        kept, added = (part[steps, None, None, None] for part in (self.kept, self.added))
        return latents * kept + noise * added, noise, steps, self.weight[steps]


def denoising_loss(
    unet: nn.Module, context: Tensor, latents: Tensor, noising: Noising, generator: torch.Generator
) -> Tensor:
    """Weighted squared error of the noise that the denoiser finds in latents [B,4,h,w], given text [B,T,C]."""
    noised, noise, steps, weight = (part.to(device()) for part in noising(latents, generator))
    with mixed_precision():
        found = unet(noised, steps, context).sample
    return ((found.float() - noise).square().mean((1, 2, 3)) * weight).mean()


def captions(indices: list[int], words: Words, rng: random.Random) -> Tensor:
    """Token rows for drawings: one in ten is empty, one in five has unknown words in it."""
    rows = []
    for index in indices:
        known = [] if rng.random() < 0.1 else words.rows(caption(drawing_of(index), rng))
        rows.append(with_strangers(known, rng) if rng.random() < 0.2 else known)
    return words.batch(rows)


def new_networks() -> dict[str, Any]:
    """The denoiser and the text encoder, with random weights; the row of unknown words is zero."""
    torch.manual_seed(SEED)
    text, unet = new_text(len(Words())), new_unet()
    table = text.get_input_embeddings()
    table.padding_idx = 0
    with torch.no_grad():
        table.weight[0] = 0
        # Larger than transformers starts it: few words, few steps.
        table.weight[1:] = torch.randn_like(table.weight[1:]) * 0.1
    return {"unet": unet, "text": text}


def load_networks(folder: Path) -> dict[str, Any]:
    """The trained denoiser and text encoder."""
    networks = new_networks()
    weights = load(folder / "unet.pt")
    for name, network in networks.items():
        inner = {key.removeprefix(f"{name}/"): value for key, value in weights.items() if key.startswith(f"{name}/")}
        network.load_state_dict(inner, strict=False)
    return networks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=WORK, help="where the work is kept")
    parser.add_argument("--steps", type=int, default=scaled(4500))
    arguments = parser.parse_args()
    rank, ranks = join_others()
    if rank == 0:
        encoded(arguments.folder, "latents", scaled(DRAWINGS))
    meet_others()
    latents = encoded(arguments.folder, "latents", scaled(DRAWINGS))
    networks, words, noising = new_networks(), Words(), Noising()
    run = Run(arguments.folder / "unet.state", networks, steps=arguments.steps, rate=1.2e-3, decay=0.9985)
    for step in run:
        rng = random.Random(f"unet/{SEED}/step/{step}")
        generator = torch.Generator().manual_seed(SEED + step * ranks + rank)
        indices = [rng.randrange(len(latents)) for _ in range(BATCH)][rank::ranks]
        tokens = captions(indices, words, rng).to(device())
        context = networks["text"](input_ids=tokens).last_hidden_state
        run.update(denoising_loss(networks["unet"], context, latents[indices], noising, generator))
        if rank == 0 and run.step % 250 == 249:
            write_atomically(arguments.folder / "unet.pt", lambda path: torch.save(run.average, path))
    if rank == 0:
        write_atomically(arguments.folder / "unet.pt", lambda path: torch.save(run.average, path))


if __name__ == "__main__":
    main()
