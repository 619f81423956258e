"""What the scripts of the family sample with where core has no node: other initial noise, and tiles.

These are internal: the Efficient samplers expand into them. Without a noise script they equal KSampler and
KSamplerAdvanced bit for bit.
"""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Tooltip
from weft.engine.schema.node import INTERNAL
from weft.engine.schema.sockets import Boolean, Combo, Float, Int
from weft.nodes.core.loaders import device_memory
from weft.nodes.core.sampling import sampled
from weft.nodes.core.trajectories import of_ksampler
from weft.nodes.core.types import (
    AddNoise,
    Cfg,
    EndStep,
    Latent,
    LatentImage,
    LeftoverNoise,
    Model,
    Negative,
    Noise,
    Positive,
    SamplerName,
    Seed,
    StartStep,
    Steps,
)
from weft.nodes.diffusion.eras import numbers_of
from weft.nodes.efficiency.face import node
from weft.nodes.efficiency.latent_weights import LEARNED_UPSCALERS, find_weights, fingerprint, nearest_factor

RNG_SOURCES = ("cpu", "gpu", "nv")
STRATEGIES = ("random", "random strict", "padded", "simple")

Scheduler = Annotated[
    str, Combo(None), Tooltip("How the noise levels of the steps are spaced; AYS and GITS schedules too.")
]
Denoise = Annotated[
    float,
    Float(default=1.0, min=0.0, max=1.0, step=0.01),
    Tooltip("The share of the schedule that is run, from its end."),
]
TileSize = Annotated[int, Int(default=512, min=64, max=16384, step=8)]
RngSource = Annotated[
    str,
    Combo(RNG_SOURCES),
    Tooltip("What draws the noise: torch on the CPU, torch on the run's device, or NVIDIA's generator on the CPU."),
]
AddSeedNoise = Annotated[bool, Boolean(default=False), Tooltip("Mix noise of another seed in.")]
VariationSeed = Annotated[Seed, Tooltip("That seed.")]
Weight = Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.001), Tooltip("The share of that noise.")]


@node(class_type="weft.NoiseKSampler", category=INTERNAL, trajectory=of_ksampler)
def NoiseKSampler(
    *,
    model: Model,
    seed: Seed,
    steps: Steps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: Scheduler,
    positive: Positive,
    negative: Negative,
    latent_image: LatentImage,
    denoise: Denoise,
    rng_source: RngSource = "cpu",
    add_seed_noise: AddSeedNoise = False,
    variation_seed: VariationSeed = 0,
    weight: Weight = 0.0,
    context: RunContext,
) -> Latent:
    """KSampler with the initial noise of a Noise Control Script."""
    from weft.nodes.diffusion.sampling.guidance import CFG

    return sampled(
        context,
        model,
        latent_image,
        CFG(positive, negative, cfg),
        _noise(seed, rng_source, add_seed_noise, variation_seed, weight, context),
        sampler=sampler_name,
        scheduler=scheduler,
        steps=steps,
        denoise=denoise,
    )


@node(class_type="weft.NoiseKSamplerAdvanced", category=INTERNAL, trajectory=of_ksampler)
def NoiseKSamplerAdvanced(
    *,
    model: Model,
    add_noise: AddNoise,
    noise_seed: Seed,
    steps: Steps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: Scheduler,
    positive: Positive,
    negative: Negative,
    latent_image: LatentImage,
    start_at_step: StartStep,
    end_at_step: EndStep,
    return_with_leftover_noise: LeftoverNoise,
    rng_source: RngSource = "cpu",
    add_seed_noise: AddSeedNoise = False,
    variation_seed: VariationSeed = 0,
    weight: Weight = 0.0,
    context: RunContext,
) -> Latent:
    """KSampler (Advanced) with the initial noise of a Noise Control Script."""
    from weft.nodes.diffusion.sampling.guidance import CFG
    from weft.nodes.diffusion.sampling.noise import NoNoise

    noise = _noise(noise_seed, rng_source, add_seed_noise, variation_seed, weight, context)
    return sampled(
        context,
        model,
        latent_image,
        CFG(positive, negative, cfg),
        noise if add_noise == "enable" else NoNoise(noise_seed),
        sampler=sampler_name,
        scheduler=scheduler,
        steps=steps,
        start=start_at_step,
        end=end_at_step,
        force_full_denoise=return_with_leftover_noise == "disable",
    )


def _noise(
    seed: int, source: str, add_seed_noise: bool, variation_seed: int, weight: float, context: RunContext
) -> Noise:
    from weft.nodes.diffusion.sampling.noise_control import ControlledNoise

    variation = variation_seed if add_seed_noise else None
    return ControlledNoise(seed, source, variation, weight, device_memory(context).device)


@node(class_type="weft.TiledKSampler", category=INTERNAL)
def TiledKSampler(
    *,
    model: Model,
    seed: Seed,
    tile_size: TileSize,
    strategy: Annotated[str, Combo(STRATEGIES)],
    steps: Steps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: Scheduler,
    positive: Positive,
    negative: Negative,
    latent_image: LatentImage,
    denoise: Denoise,
    rng_source: RngSource = "cpu",
    add_seed_noise: AddSeedNoise = False,
    variation_seed: VariationSeed = 0,
    weight: Weight = 0.0,
    context: RunContext,
) -> Latent:
    """KSampler, tile by tile: the memory of one tile is enough.

    Args:
        denoise: How much the tiles change.
        tile_size: Side of a tile in pixels of the picture.
        strategy: How the tiles lie, and in which order they are sampled.
    """
    from weft.nodes.diffusion.sampling.guidance import CFG
    from weft.nodes.diffusion.sampling.tiled_sampling import sample_tiled, tiled_stage

    stage = tiled_stage(
        model.sampling,
        CFG(positive, negative, cfg),
        _noise(seed, rng_source, add_seed_noise, variation_seed, weight, context),
        sampler=sampler_name,
        scheduler=scheduler,
        steps=steps,
        denoise=denoise,
    )
    side = tile_size // model.latent_format.pixels
    with numbers_of(context.settings.numbers):
        return sample_tiled(model, latent_image, stage, tile=(side, side), strategy=strategy, report=context.progress)


@node(class_type="weft.LatentUpscaleWithModel", category=INTERNAL, fingerprint=fingerprint)
def LatentUpscaleWithModel(
    *,
    samples: Latent,
    upscaler: Annotated[str, Combo(LEARNED_UPSCALERS)],
    scale_by: Annotated[float, Float(default=1.5, min=0.01, max=8.0, step=0.01)],
    context: RunContext,
) -> Latent:
    """Enlarge latents with a network made for it.

    Args:
        samples: The latents.
        upscaler: Which network; its weights are looked for in the latent_upscale_models folders.
        scale_by: The factor; the nearest of 1.25, 1.5 and 2 is taken.
    """
    from weft.nodes.diffusion.values.latent_upscalers import upscale_with

    factor = nearest_factor(scale_by)
    return upscale_with(find_weights(context.folders, upscaler, factor), samples, factor, device_memory(context))
