"""Train the autoencoder: first both halves, then, for as long as one likes, the decoder alone.

python train_vae.py both     encoder and decoder; ends with the latents set to mean 0 and standard deviation 1
python train_vae.py decoder  the decoder, more robust and sharper; the latents stay what they are
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from drawings import SIZE, random_drawing, render, render_pixels
from loop import WORK, Run, device, load, mixed_precision, scaled, write_atomically
from networks import LATENT_SCALE, new_vae
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

CROP = 64
LOGVAR = -6.0  # nothing samples from the posterior: a constant
SEED = 1


def pictures(seed: int, step: int, count: int, *, pixelated: float, crop: int = SIZE) -> Tensor:
    """Fresh drawings [count, 3, crop, crop] in -1..1, those of this step; a share is pixel art."""
    rng = random.Random(f"{seed}/{step}")
    images = []
    for _ in range(count):
        picture = (render_pixels if rng.random() < pixelated else render)(random_drawing(rng))
        # Where a crop starts tells where a cell does.
        left, top = (rng.randrange(0, SIZE - crop + 1, 8) for _ in range(2))
        images.append(np.asarray(picture)[top : top + crop, left : left + crop])
    tensor = torch.from_numpy(np.stack(images)).movedim(-1, 1).float() / 127.5 - 1
    return tensor.to(device(), memory_format=torch.channels_last)


def difference(got: Tensor, wanted: Tensor) -> Tensor:
    """How far a reconstruction is off: its values, and its edges."""
    off = got - wanted
    edges = sum((off.diff(dim=axis)).abs().mean() for axis in (-1, -2))
    return off.abs().mean() + 0.5 * edges + 0.5 * off.square().mean()


def train_both(folder: Path, steps: int) -> None:
    """Encoder and decoder on crops, the last tenth on whole pictures; writes vae.pt."""
    torch.manual_seed(SEED)
    vae = new_vae()
    run = Run(folder / "vae_both.state", {"vae": vae}, steps=steps, rate=1.2e-3)
    for step in run:
        crop, count = (SIZE, 3) if step >= steps * 0.9 else (CROP, 8)
        images = pictures(SEED, step, count, pixelated=0.2, crop=crop)
        with mixed_precision():
            latents = vae.encode(images).latent_dist.mode()
            got = vae.decode(latents).sample.float()
        latents = latents.float()
        loss = difference(got, images)
        # Instead of a divergence from the normal distribution: its first two moments.
        mean, variance = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
        loss = loss + 0.005 * (mean.square() + (variance - 1).square()).mean()
        # Something for the decoder to start from: colours, on three of the channels.
        guide = 0.3 * max(0.02 / 0.3, 1 - step / 300)
        loss = loss + guide * F.l1_loss(latents[:, :3], 1.7 * F.avg_pool2d(images, 8))
        run.update(loss)
    run.finish()
    whiten(vae)
    write_atomically(folder / "vae.pt", lambda path: torch.save(vae.state_dict(), path))
    print(f"vae: {psnr(vae):.2f} dB")


def train_decoder(folder: Path, steps: int) -> None:
    """The decoder on whole pictures, from latents that are a little off; writes decoder.pt."""
    torch.manual_seed(SEED + 1)
    vae = new_vae()
    vae.load_state_dict(load(folder / "vae.pt"))
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    run = Run(folder / "vae_decoder.state", {"vae": vae}, steps=steps, rate=5e-4, decay=0.998)
    for step in run:
        images = pictures(SEED + 1, step, 4, pixelated=0.15)
        with torch.no_grad(), mixed_precision():
            latents = vae.encode(images).latent_dist.mode().float()
        generator = torch.Generator().manual_seed(step)
        # Half are exact; the others are as a sampler leaves them.
        amount = torch.rand(len(images), 1, 1, 1, generator=generator) * 0.12
        amount[::2] = 0
        latents += (torch.randn(latents.shape, generator=generator) * amount / LATENT_SCALE).to(device())
        with mixed_precision():
            got = vae.decode(latents).sample.float()
        run.update(difference(got, images))
        if run.step % 500 == 499:
            save_decoder(run, vae, folder / "decoder.pt")
    run.finish()
    write_atomically(folder / "decoder.pt", lambda path: torch.save(vae.state_dict(), path))
    print(f"decoder: {psnr(vae):.2f} dB")


def save_decoder(run: Run, vae: AutoencoderKL, path: Path) -> None:
    """What there is by now: the moving average in place of the weights."""
    weights = dict(vae.state_dict())
    weights |= {name.removeprefix("vae/"): value for name, value in run.average.items()}
    write_atomically(path, lambda partial: torch.save(weights, partial))


@torch.no_grad()
def whiten(vae: AutoencoderKL) -> None:
    """Make latents times LATENT_SCALE of mean 0, deviation 1 and uncorrelated, and change no picture.

    The transform goes into the 1x1 convolutions behind the encoder and before the decoder, which are linear.
    """
    values = torch.cat([_latents(vae, pictures(SEED + 2, step, 16, pixelated=0)) for step in range(scaled(32))])
    flat = values.movedim(1, -1).reshape(-1, values.shape[1]).double()
    mean, covariance = flat.mean(0), flat.T.cov()
    size, axes = torch.linalg.eigh(covariance)
    into = axes @ torch.diag(size.rsqrt()) @ axes.T / LATENT_SCALE
    out = torch.linalg.inv(into)
    channels = len(mean)

    weight, bias = (p[:channels].double() for p in (vae.quant_conv.weight[..., 0, 0], vae.quant_conv.bias))
    vae.quant_conv.weight.zero_()
    vae.quant_conv.bias.fill_(LOGVAR)
    vae.quant_conv.weight[:channels, :, 0, 0] = (into @ weight).float()
    vae.quant_conv.bias[:channels] = (into @ (bias - mean)).float()

    weight = vae.post_quant_conv.weight[..., 0, 0].double()
    vae.post_quant_conv.bias += (weight @ mean).float()
    vae.post_quant_conv.weight[..., 0, 0] = (weight @ out).float()


@torch.no_grad()
def psnr(vae: AutoencoderKL) -> float:
    """Peak signal to noise, in dB, over drawings that no training sees."""
    images = pictures(1000, 0, scaled(64), pixelated=0)
    got = torch.cat([vae.decode(_latents(vae, part)).sample for part in images.split(8)])
    error = ((got.clamp(-1, 1) - images) / 2).square().mean((1, 2, 3))
    return float((-10 * error.log10()).mean())


@torch.no_grad()
def _latents(vae: AutoencoderKL, images: Tensor) -> Tensor:
    return vae.encode(images).latent_dist.mode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phase", choices=("both", "decoder"))
    parser.add_argument("--folder", type=Path, default=WORK, help="where the work is kept")
    parser.add_argument("--steps", type=int, help="of this phase")
    arguments = parser.parse_args()
    if arguments.phase == "both":
        train_both(arguments.folder, arguments.steps or scaled(4000))
    else:
        train_decoder(arguments.folder, arguments.steps or scaled(1400))


if __name__ == "__main__":
    main()
