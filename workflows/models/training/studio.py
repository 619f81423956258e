"""The committed model, opened and run as Weft runs it; what check.py and the tests measure with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from drawings import SIZE
from export import CHECKPOINT
from torch import Tensor
from train_embedding import EMBEDDING
from train_lora import LORA

from weft.nodes.diffusion.sampling import guidance
from weft.nodes.diffusion.sampling.noise import NoNoise, RandomNoise
from weft.nodes.diffusion.sampling.sample import ksample
from weft.nodes.diffusion.sampling.stages import ksampler_stage
from weft.nodes.diffusion.text.clip import Clip
from weft.nodes.diffusion.text.embeddings import lookup_in
from weft.nodes.diffusion.values.vae import Vae
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.patcher import ModelPatcher

STEPS = 20
CFG = 2.0


@dataclass(frozen=True)
class Studio:
    """A model with the settings that its pictures are made with."""

    model: ModelPatcher
    clip: Clip
    vae: Vae
    sampler: str = "euler"
    scheduler: str = "karras"
    cfg: float = CFG

    def with_lora(self) -> Studio:
        """The same with the pixel art LoRA."""
        model, _, report = apply_lora(self.model, None, load_lora(LORA), 1.0, 1.0)
        if report.unmatched or model is None:
            raise ValueError(f"{LORA.name}: layers {report.unmatched[:3]} fit nothing")
        return replace(self, model=model)

    def sample(
        self,
        prompt: str,
        seed: int,
        *,
        latent: dict[str, Any] | None = None,
        start: int = 0,
        end: int = STEPS,
        steps: int = STEPS,
    ) -> dict[str, Any]:
        """A latent for a prompt, or the steps from `start` to `end` of it, as KSamplerAdvanced does them."""
        stage = ksampler_stage(
            self.model.sampling,
            guidance.CFG(self.clip.encode(prompt), self.clip.encode(""), self.cfg),
            RandomNoise(seed) if start == 0 else NoNoise(seed),
            sampler=self.sampler,
            scheduler=self.scheduler,
            steps=steps,
            start=start,
            end=end,
            force_full_denoise=end >= steps,
        )
        return ksample(self.model, latent or {"samples": torch.zeros(1, 4, SIZE // 8, SIZE // 8)}, stage)

    def decode(self, latent: dict[str, Any]) -> Tensor:
        """The images [B,H,W,3] of a latent, in 0..1."""
        return self.vae.decode(latent["samples"])

    def picture(self, prompt: str, seed: int, *, steps: int = STEPS) -> Tensor:
        """An image [1,SIZE,SIZE,3] in 0..1."""
        return self.decode(self.sample(prompt, seed, steps=steps, end=steps))

    def switched(self, then: Studio, first: str, second: str, at: int, seed: int, *, steps: int = STEPS) -> Tensor:
        """An image of which the first `at` steps follow one prompt, the others another, on `then`."""
        if at == 0:
            return then.picture(second, seed, steps=steps)
        latent = self.sample(first, seed, end=at, steps=steps)
        if at < steps:
            latent = then.sample(second, seed, latent=latent, start=at, end=steps, steps=steps)
        return then.decode(latent)


def open_studio() -> Studio:
    """The checkpoint, loaded from its file, float32 on the CPU."""
    loaded = load_checkpoint(
        CHECKPOINT, device=torch.device("cpu"), dtype=torch.float32, embeddings=lookup_in([EMBEDDING.parent])
    )
    if loaded.clip is None or loaded.vae is None:
        raise ValueError(f"{CHECKPOINT.name} lacks its text encoder or its autoencoder")
    return Studio(loaded.model, loaded.clip, loaded.vae)


def roughness(images: Tensor, block: int = 4) -> Tensor:
    """[B]: what part of the variance of images lies inside blocks of pixels; near 0 for pixel art."""
    count, height, width, channels = images.shape
    blocks = images.reshape(count, height // block, block, width // block, block, channels)
    inside = blocks.var(dim=(2, 4), correction=0).mean(dim=(1, 2, 3))
    return inside / images.var(dim=(1, 2), correction=0).mean(dim=1)


def likeness(images: Tensor, others: Tensor, cell: int = 8) -> float:
    """Mean correlation of the brightness of pictures, seen coarsely: near 1 where shapes lie in the same places."""
    coarse = [torch.nn.functional.avg_pool2d(part.mean(-1)[:, None], cell).flatten(1) for part in (images, others)]
    one, two = (part - part.mean(1, keepdim=True) for part in coarse)
    return float(torch.nn.functional.cosine_similarity(one, two).mean())


def distance(images: Tensor, colour: tuple[int, int, int]) -> float:
    """Root mean square distance of the colour in the middle of images from another, 0..255."""
    middle = images[:, 56:88, 52:76].flatten(1, 2).median(dim=1).values * 255
    return float((middle - torch.tensor(colour)).square().mean().sqrt())
