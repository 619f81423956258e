"""The KSampler pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Combo, Float, Int
from weft.nodes.core.prompt_schedule import by_prompts
from weft.nodes.core.types import Cfg, Conditioning, Latent, Model, Noise, SamplerName, SchedulerName, Seed, Steps

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.guidance import Guidance
    from weft.nodes.diffusion.sampling.sample import Callback


@node(display_name="KSampler", category="sampling", passes={"prompt_schedule": by_prompts})
def KSampler(
    *,
    model: Model,
    seed: Seed,
    steps: Steps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    denoise: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
    context: RunContext,
) -> Latent:
    """Denoise a latent, steered towards the positive and away from the negative conditioning.

    Args:
        model: The diffusion model.
        seed: Decides the noise.
        steps: How many steps the schedule has.
        cfg: How strongly the prompt steers; 1 leaves the negative conditioning out.
        sampler_name: The algorithm that solves the steps.
        scheduler: How the noise levels of the steps are spaced.
        positive: What should be in the picture.
        negative: What should not.
        latent_image: The latent to start from.
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


@node(display_name="KSampler (Advanced)", category="sampling", passes={"prompt_schedule": by_prompts})
def KSamplerAdvanced(
    *,
    model: Model,
    add_noise: Annotated[str, Combo(("enable", "disable"))],
    noise_seed: Seed,
    steps: Steps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    start_at_step: Annotated[int, Int(default=0, min=0, max=10_000)],
    end_at_step: Annotated[int, Int(default=10_000, min=0, max=10_000)],
    return_with_leftover_noise: Annotated[str, Combo(("disable", "enable"))],
    context: RunContext,
) -> Latent:
    """Run a stretch of a schedule, so that several samplers can share one: switch the prompt or the LoRA half-way.

    Args:
        model: The diffusion model.
        add_noise: disable for a latent that is noisy already, from the stage before.
        noise_seed: Decides the noise.
        steps: How many steps the whole schedule has.
        cfg: How strongly the prompt steers; 1 leaves the negative conditioning out.
        sampler_name: The algorithm that solves the steps.
        scheduler: How the noise levels of the steps are spaced.
        positive: What should be in the picture.
        negative: What should not.
        latent_image: The latent to start from.
        start_at_step: The first step that is run, counted from 0.
        end_at_step: Where to stop; at or beyond the last step, the schedule is finished.
        return_with_leftover_noise: enable to hand the noise of an early stop on to the next stage.
    """
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
    return ksample(model, latent, stage, callback=reporter(context), warn=warner(context))


def reporter(context: RunContext) -> Callback:
    """A sampler's callback that reports each finished step, and stops a cancelled run."""
    return lambda step, total, x, denoised: context.progress(step + 1, total)


def warner(context: RunContext) -> Callable[[str], None]:
    """A sampler's way to warn, which adds where its latent came from."""

    def warn(message: str) -> None:
        source = context.executed.get(context.node_id, {}).get("inputs", {}).get("latent_image")
        maker = context.executed.get(source[0], {}) if isinstance(source, list) else {}
        title = maker.get("_meta", {}).get("title") or maker.get("class_type")
        context.warn(f"{message} (the latent comes from node {source[0]}, {title!r})" if title else message)

    return warn
