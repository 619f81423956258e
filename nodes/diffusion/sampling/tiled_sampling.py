"""Sampling a latent tile by tile, so that a large picture takes the memory of a small one: TiledKSampler.

Semantics: efficiency.md section 3, efficiency/notes.md B.16; numbers: goldens tile_*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError, nearest
from weft.nodes.diffusion.sampling.noise import check_seed, prepare_noise
from weft.nodes.diffusion.sampling.sample import StartNoise, cut, ksample
from weft.nodes.diffusion.sampling.samplers import find_sampler
from weft.nodes.diffusion.sampling.schedules import ksampler_schedule
from weft.nodes.diffusion.sampling.tile_conditions import TiledConditionings
from weft.nodes.diffusion.sampling.tiles import STRATEGIES, Tile, TilePass, passes
from weft.nodes.diffusion.values.latents import samples_of

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

SMALLEST_TILE = 8


def sample_tiled(
    model: ModelPatcher,
    latent: Mapping[str, Any],
    *,
    seed: int,
    tile: tuple[int, int],
    strategy: str,
    steps: int,
    cfg: float,
    sampler: str,
    scheduler: str,
    positive: list[Any],
    negative: list[Any],
    denoise: float = 1.0,
    noise_of: StartNoise = prepare_noise,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Noise a latent and denoise it tile by tile.

    The last `steps` of int(steps / denoise) steps are done. In all strategies but `padded` the noise of the first of
    them is added to the whole latent before. Conditionings stay where they are in the whole.

    Args:
        latent: {"samples": [B,4,h,w], "batch_index"?}, without a noise mask.
        tile: height and width in elements of the latent; cut to its size.
        strategy: a key of tiles.STRATEGIES.
            random: each step has a new grid; tiles at the edge may be small, and a tile sees nothing but itself.
            random strict: the same, but small tiles see as much of their neighbours as makes them `tile` large.
            padded: four grids, half a tile apart, one after the other through all steps; of each tile the middle half
                is sampled in its surroundings.
            simple: one grid, each tile through all steps.
        denoise: 0 leaves the latent as it is.
        report: told (done, total) after each step of each tile. What it raises ends the run.
        The others: as ksample.

    Raises:
        DiffusionError: as ksample; an unknown strategy, too small a tile, a noise mask.
    """
    if strategy not in STRATEGIES:
        raise DiffusionError(
            f"unknown tiling strategy {strategy!r}{nearest(strategy, STRATEGIES)}: one of {', '.join(STRATEGIES)}"
        )
    if min(tile) < SMALLEST_TILE:
        raise DiffusionError(f"a tile has at least {SMALLEST_TILE}x{SMALLEST_TILE} elements, got {tile[1]}x{tile[0]}")
    if latent.get("noise_mask") is not None:
        raise DiffusionError("a latent with a noise mask cannot be sampled in tiles")
    samples = samples_of(latent)
    check_seed(seed)
    if denoise <= 0.0:
        return dict(latent)
    total = int(steps / denoise)
    schedule = ksampler_schedule(
        model.sampling, scheduler, total, discard_penultimate=find_sampler(sampler).discard_penultimate
    )
    start = total - steps
    sigmas = cut(schedule, start, total, False)
    if len(sigmas) < 2:
        return dict(latent)
    height, width = samples.shape[-2:]
    plan = list(passes(strategy, (height, width), tile, range(start, start + len(sigmas) - 1), seed))
    amount = sum(len(each.tiles) * len(each.steps) for each in plan)
    noise = noise_of(samples, seed, latent.get("batch_index"))
    noisy = strategy != "padded"
    x = samples + model.process_latent_out(noise) * sigmas[0] if noisy else samples.clone()
    conditionings = TiledConditionings((positive, negative), height, width)
    done = count(1)

    def run(source: Tensor, part: Tile, steps: range) -> Tensor:
        rows, columns = part.rows.whole, part.columns.whole
        inputs: dict[str, Any] = {"samples": source[..., rows, columns].clone()}
        if part.partial:
            mask = torch.zeros(1, *inputs["samples"].shape[-2:])
            mask[..., part.rows.kept_within, part.columns.kept_within] = 1.0
            inputs["noise_mask"] = mask
        here, not_here = conditionings.parts(part)
        sampled = ksample(
            model,
            inputs,
            seed=seed,
            steps=total,
            cfg=cfg,
            sampler=sampler,
            scheduler=scheduler,
            positive=here,
            negative=not_here,
            start_step=steps.start,
            last_step=steps.stop,
            add_noise=not noisy,
            callback=None if report is None else lambda step, of, x, denoised: report(next(done), amount),
            noise_of=lambda samples, seed, batch_index: noise[..., rows, columns],
        )
        return samples_of(sampled)

    for each in plan:
        _sample_pass(x, each, run)
    return {**latent, "samples": x}


def _sample_pass(x: Tensor, each: TilePass, run: Callable[[Tensor, Tile, range], Tensor]) -> None:
    """Sample the tiles of a pass and put what is kept of them into x."""
    source = x.clone() if each.apart else x
    for tile in each.tiles:
        result = run(source, tile, each.steps)
        x[..., tile.rows.kept, tile.columns.kept] = result[..., tile.rows.kept_within, tile.columns.kept_within]
