"""Sampling a latent tile by tile, so that a large picture takes the memory of a small one: TiledKSampler.

Semantics: efficiency.md section 3, efficiency/notes.md B.16; numbers: goldens tile_*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.sampling.denoiser import EXPLODING
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.noise import Noise, NoNoise
from weft.nodes.diffusion.sampling.sample import ksample
from weft.nodes.diffusion.sampling.stages import Stage, ksampler_stage
from weft.nodes.diffusion.sampling.tile_conditions import TiledConditionings
from weft.nodes.diffusion.sampling.tiles import STRATEGIES, Tile, TilePass, passes
from weft.nodes.diffusion.values.latents import Latent, samples_of

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.denoiser import ModelSampling
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

SMALLEST_TILE = 8


def tiled_stage(
    sampling: ModelSampling,
    guidance: CFG,
    noise: Noise,
    *,
    sampler: str,
    scheduler: str,
    steps: int,
    denoise: float = 1.0,
) -> Stage:
    """What sample_tiled does to the whole: the last `steps` of int(steps / denoise) steps; none where denoise is 0.

    Arguments and errors as ksampler_stage.
    """
    stage = partial(ksampler_stage, sampling, guidance, noise, sampler=sampler, scheduler=scheduler)
    if denoise <= 0.0:
        return stage(steps=steps, denoise=0.0)
    total = int(steps / denoise)
    return stage(steps=total, start=total - steps, end=total)


def sample_tiled(
    model: ModelPatcher,
    latent: Latent,
    stage: Stage,
    *,
    tile: tuple[int, int],
    strategy: str,
    report: Callable[[int, int], None] | None = None,
) -> Latent:
    """Noise a latent and denoise it tile by tile.

    In all strategies but `padded` the noise of the first step is added to the whole latent before. Conditionings stay
    where they are in the whole.

    Args:
        latent: {"samples": [B,C,h,w] or [B,C,T,h,w], "batch_index"?}, without a noise mask.
        stage: what is done to the whole; its guidance is a CFG. See tiled_stage.
        tile: height and width in elements of the latent; cut to its size.
        strategy: a key of tiles.STRATEGIES.
            random: each step has a new grid; tiles at the edge may be small, and a tile sees nothing but itself.
            random strict: the same, but small tiles see as much of their neighbours as makes them `tile` large.
            padded: four grids, half a tile apart, one after the other through all steps; of each tile the middle half
                is sampled in its surroundings.
            simple: one grid, each tile through all steps.
        report: told (done, total) after each step of each tile. What it raises ends the run.

    Raises:
        DiffusionError: as ksample; an unknown strategy, too small a tile, a noise mask.
    """
    _check(latent, tile, strategy)
    guidance, seed = stage.guidance, stage.noise.seed
    if model.sampling.process is not EXPLODING:
        raise DiffusionError("tiles cannot be sampled of this model, which is a flow")
    if not isinstance(guidance, CFG):
        raise DiffusionError(f"tiles are sampled with classifier-free guidance, not {type(guidance).__name__}")
    samples, sigmas = model.latent_format.shaped(samples_of(latent)), stage.sigmas
    if len(sigmas) < 2:
        return {**latent}
    height, width = samples.shape[-2:]
    whole = range(stage.start, stage.start + len(sigmas) - 1)
    plan = list(passes(strategy, (height, width), tile, whole, seed))
    amount = sum(len(each.tiles) * len(each.steps) for each in plan)
    noise = model.latent_format.shaped(stage.noise.generate_noise(latent))
    noisy = strategy != "padded"
    x = samples + model.process_latent_out(noise) * sigmas[0] if noisy else samples.clone()
    sides, pixels = (guidance.positive, guidance.negative), model.latent_format.pixels
    conditionings = TiledConditionings(sides, height, width, pixels)
    done = count(1)

    def run(source: Tensor, part: Tile, steps: range) -> Tensor:
        rows, columns = part.rows.whole, part.columns.whole
        inputs: Latent = {"samples": source[..., rows, columns].clone()}
        if part.partial:
            mask = torch.zeros(1, *inputs["samples"].shape[-2:])
            mask[..., part.rows.kept_within, part.columns.kept_within] = 1.0
            inputs["noise_mask"] = mask
        positive, negative = conditionings.parts(part)
        here = replace(
            stage,
            guidance=CFG(positive, negative, guidance.scale),
            noise=NoNoise(seed) if noisy else _Drawn(seed, noise[..., rows, columns]),
            start=steps.start,
            end=steps.stop,
        )
        callback = None if report is None else lambda step, of, x, denoised: report(next(done), amount)
        return samples_of(ksample(model, inputs, here, callback=callback))

    for each in plan:
        _sample_pass(x, each, run)
    return {**latent, "samples": x}


def _check(latent: Latent, tile: tuple[int, int], strategy: str) -> None:
    if strategy not in STRATEGIES:
        raise DiffusionError(
            f"unknown tiling strategy {strategy!r}{nearest(strategy, STRATEGIES)}: one of {', '.join(STRATEGIES)}"
        )
    if min(tile) < SMALLEST_TILE:
        raise DiffusionError(f"a tile has at least {SMALLEST_TILE}x{SMALLEST_TILE} elements, got {tile[1]}x{tile[0]}")
    if latent.get("noise_mask") is not None:
        raise DiffusionError("a latent with a noise mask cannot be sampled in tiles")


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A NOISE that is drawn already: the part of the whole latent's that lies under a tile."""

    seed: int
    noise: Tensor

    def generate_noise(self, latent: Latent) -> Tensor:
        """See Noise."""
        return self.noise


def _sample_pass(x: Tensor, each: TilePass, run: Callable[[Tensor, Tile, range], Tensor]) -> None:
    """Sample the tiles of a pass and put what is kept of them into x."""
    source = x.clone() if each.apart else x
    for tile in each.tiles:
        result = run(source, tile, each.steps)
        x[..., tile.rows.kept, tile.columns.kept] = result[..., tile.rows.kept_within, tile.columns.kept_within]
