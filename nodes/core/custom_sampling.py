"""Sampling from parts: a noise, a guider, a sampler and a schedule."""

from __future__ import annotations

from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Boolean, Combo, Float
from weft.nodes.core.sampling import reporter
from weft.nodes.core.trajectories import of_custom_sampler
from weft.nodes.core.types import (
    Cfg,
    Conditioning,
    Guider,
    Latent,
    LatentImage,
    Model,
    Negative,
    Noise,
    Positive,
    Sampler,
    Seed,
    Sigmas,
)
from weft.nodes.diffusion.eras import numbers_of

MODULE = "comfy_extras.nodes_custom_sampler"
PERP_NEG_MODULE = "comfy_extras.nodes_perpneg"

Both = tuple[Annotated[Latent, Output("output")], Annotated[Latent, Output("denoised_output")]]


@node(category="sampling/custom_sampling", python_module=MODULE, trajectory=of_custom_sampler)
def SamplerCustom(
    *,
    model: Model,
    add_noise: Annotated[bool, Boolean(default=True)],
    noise_seed: Seed,
    cfg: Cfg,
    positive: Positive,
    negative: Negative,
    sampler: Sampler,
    sigmas: Sigmas,
    latent_image: LatentImage,
    context: RunContext,
) -> Both:
    """Denoise a latent along a given schedule; the second output is the last prediction of the finished latent.

    Args:
        add_noise: Off for a latent that is noisy already.
        sampler: The algorithm that solves the steps.
        sigmas: The noise levels to pass; without a step in it the latent comes back as it is.
    """
    from weft.nodes.diffusion.sampling import guiders, noise
    from weft.nodes.diffusion.sampling.custom import custom_sample
    from weft.nodes.diffusion.sampling.guidance import CFG

    start = noise.RandomNoise(noise_seed) if add_noise else noise.NoNoise(noise_seed)
    guider = guiders.Guider(model, CFG(positive, negative, cfg))
    given: dict[str, Any] = {"callback": reporter(context, model), "steps": context.steps, "warn": context.warn}
    with numbers_of(context.settings.numbers):
        return custom_sample(guider, sampler, sigmas, start, latent_image, **given)


@node(category="sampling/custom_sampling", python_module=MODULE, trajectory=of_custom_sampler)
def SamplerCustomAdvanced(
    *, noise: Noise, guider: Guider, sampler: Sampler, sigmas: Sigmas, latent_image: LatentImage, context: RunContext
) -> Both:
    """Denoise a latent with a noise, a guider, a sampler and a schedule of one's own.

    Args:
        noise: What is added to the latent at the start.
        guider: The model, and what steers it.
        sampler: The algorithm that solves the steps.
        sigmas: The noise levels to pass; without a step in it the latent comes back as it is.
    """
    from weft.nodes.diffusion.sampling.custom import custom_sample

    given: dict[str, Any] = {
        "callback": reporter(context, getattr(guider, "model", None)),
        "steps": context.steps,
        "warn": context.warn,
    }
    with numbers_of(context.settings.numbers):
        return custom_sample(guider, sampler, sigmas, noise, latent_image, **given)


@node(category="_for_testing/custom_sampling/noise", python_module=MODULE)
def AddNoise(*, model: Model, noise: Noise, sigmas: Sigmas, latent_image: Latent) -> Latent:
    """Bring a latent to a noise level without sampling it.

    Args:
        model: Whose scale of latents the noise is meant for.
        noise: What is added.
        sigmas: The level is the difference of the first and the last, or the only one; empty adds nothing.
        latent_image: The latent.
    """
    from weft.nodes.diffusion.sampling.custom import add_noise

    return add_noise(model, noise, sigmas, latent_image)


@node(category="sampling/custom_sampling/noise", python_module=MODULE)
def RandomNoise(*, noise_seed: Seed) -> Noise:
    """Noise by a seed: the same on every machine.

    Args:
        noise_seed: Decides the noise, also that of samplers that add some on their way.
    """
    from weft.nodes.diffusion.sampling.noise import RandomNoise

    return RandomNoise(noise_seed)


@node(category="sampling/custom_sampling/noise", python_module=MODULE)
def DisableNoise() -> Noise:
    """No noise at the start, for a latent that is noisy already."""
    from weft.nodes.diffusion.sampling.noise import NoNoise

    return NoNoise()


@node(category="sampling/custom_sampling/guiders", python_module=MODULE)
def BasicGuider(*, model: Model, conditioning: Conditioning) -> Guider:
    """Steer by one prompt, without a negative one.

    Args:
        conditioning: What should be in the picture.
    """
    from weft.nodes.diffusion.sampling.guidance import CFG
    from weft.nodes.diffusion.sampling.guiders import Guider

    return Guider(model, CFG(conditioning, [], 1.0))


@node(category="sampling/custom_sampling/guiders", python_module=MODULE)
def CFGGuider(*, model: Model, positive: Positive, negative: Negative, cfg: Cfg) -> Guider:
    """Steer towards one prompt and away from another: classifier-free guidance.

    Args:
        cfg: How strongly the prompts steer; 1 leaves the negative conditioning out.
    """
    from weft.nodes.diffusion.sampling.guidance import CFG
    from weft.nodes.diffusion.sampling.guiders import Guider

    return Guider(model, CFG(positive, negative, cfg))


@node(category="sampling/custom_sampling/guiders", python_module=MODULE)
def DualCFGGuider(
    *,
    model: Model,
    cond1: Conditioning,
    cond2: Conditioning,
    negative: Conditioning,
    cfg_conds: Cfg,
    cfg_cond2_negative: Cfg,
    style: Annotated[str, Combo(("regular", "nested"))],
) -> Guider:
    """Steer by two prompts at two scales: towards the second from the negative, towards the first from the second.

    Args:
        cond1: What should be in the picture; for an editing model the instruction with the image.
        cond2: A step on the way there; for an editing model the image alone.
        negative: What should not be in the picture.
        cfg_conds: How strongly to go from the second prompt to the first.
        cfg_cond2_negative: How strongly to go from the negative to the second prompt.
        style: regular adds both directions; nested takes the first one's result as the positive of the other.
    """
    from weft.nodes.diffusion.sampling.guiders import DualCFG, Guider

    return Guider(model, DualCFG(cond1, cond2, negative, cfg_conds, cfg_cond2_negative, style))


@node(category="_for_testing", python_module=PERP_NEG_MODULE, experimental=True)
def PerpNegGuider(
    *,
    model: Model,
    positive: Positive,
    negative: Negative,
    empty_conditioning: Conditioning,
    cfg: Cfg,
    neg_scale: Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.01)],
) -> Guider:
    """Steer with a negative prompt of which only what the positive does not share counts: Perp-Neg.

    Args:
        empty_conditioning: An empty prompt, from which both directions are measured.
        cfg: How strongly the prompts steer.
        neg_scale: How strongly the negative prompt steers beside the positive one.
    """
    from weft.nodes.diffusion.sampling.guiders import Guider, PerpNegCFG

    return Guider(model, PerpNegCFG(positive, negative, empty_conditioning, cfg, neg_scale))
