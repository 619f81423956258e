"""The KSampler pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Float
from weft.nodes.core.previewing import previewer
from weft.nodes.core.prompt_schedule import by_prompts
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
    SchedulerName,
    Seed,
    StartStep,
    Steps,
    WholeSteps,
)
from weft.nodes.diffusion.eras import numbers_of

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.guidance import Guidance
    from weft.nodes.diffusion.sampling.sample import Callback


@node(display_name="KSampler", category="sampling", passes={"prompt_schedule": by_prompts}, trajectory=of_ksampler)
def KSampler(
    *,
    model: Model,
    seed: Seed,
    steps: Steps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    positive: Positive,
    negative: Negative,
    latent_image: LatentImage,
    denoise: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
    context: RunContext,
) -> Latent:
    """Denoise a latent, steered towards the positive and away from the negative conditioning.

    Args:
        denoise: The share of the schedule that is run, from its end; below 1 the start shows through.
    """
    from weft.nodes.diffusion.sampling.guidance import CFG
    from weft.nodes.diffusion.sampling.noise import RandomNoise

    return sampled(
        context,
        model,
        latent_image,
        CFG(positive, negative, cfg),
        RandomNoise(seed),
        sampler=sampler_name,
        scheduler=scheduler,
        steps=steps,
        denoise=denoise,
    )


@node(
    display_name="KSampler (Advanced)",
    category="sampling",
    passes={"prompt_schedule": by_prompts},
    trajectory=of_ksampler,
)
def KSamplerAdvanced(
    *,
    model: Model,
    add_noise: AddNoise,
    noise_seed: Seed,
    steps: WholeSteps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    positive: Positive,
    negative: Negative,
    latent_image: LatentImage,
    start_at_step: StartStep,
    end_at_step: EndStep,
    return_with_leftover_noise: LeftoverNoise,
    context: RunContext,
) -> Latent:
    """Run a stretch of a schedule, so that several samplers can share one: switch the prompt or the LoRA half-way."""
    from weft.nodes.diffusion.sampling.guidance import CFG
    from weft.nodes.diffusion.sampling.noise import NoNoise, RandomNoise

    return sampled(
        context,
        model,
        latent_image,
        CFG(positive, negative, cfg),
        RandomNoise(noise_seed) if add_noise == "enable" else NoNoise(noise_seed),
        sampler=sampler_name,
        scheduler=scheduler,
        steps=steps,
        start=start_at_step,
        end=end_at_step,
        force_full_denoise=return_with_leftover_noise == "disable",
    )


def sampled(
    context: RunContext, model: Model, latent: Latent, guidance: Guidance, noise: Noise, **settings: Any
) -> Latent:
    """The latent sampled by one stage, in the mode of the run. guidance, noise, settings: as ksampler_stage's."""
    from weft.nodes.diffusion.sampling.sample import ksample
    from weft.nodes.diffusion.sampling.stages import ksampler_stage

    stage = ksampler_stage(model.sampling, guidance, noise, **settings, mode=context.settings.sampling)
    said = {"warn": warner(context), "tell": context.warn}
    with numbers_of(context.settings.numbers):
        return ksample(model, latent, stage, callback=reporter(context, model), **said, steps=context.steps)


def reporter(context: RunContext, model: Any = None) -> Callback:
    """A sampler's callback that reports each finished step, drawn if somebody watches, and stops a cancelled run."""
    draw = previewer(context, model)
    if draw is None:
        return lambda step, total, x, denoised: context.progress(step + 1, total)
    return lambda step, total, x, denoised: context.progress(step + 1, total, draw(denoised), asked=True)


def warner(context: RunContext) -> Callable[[str], None]:
    """A sampler's way to warn, which adds where its latent came from."""

    def warn(message: str) -> None:
        source = context.executed.get(context.node_id, {}).get("inputs", {}).get("latent_image")
        maker = context.executed.get(source[0], {}) if isinstance(source, list) else {}
        title = maker.get("_meta", {}).get("title") or maker.get("class_type")
        context.warn(f"{message} (the latent comes from node {source[0]}, {title!r})" if title else message)

    return warn
