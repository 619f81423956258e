"""The samplers of the family: they expand into core nodes, so that each stage is computed, cached, shared by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.links import Link, Linked
from weft.engine.schema.authoring import ExtraPnginfo, Output, PromptJson, RawLink, Tooltip, UniqueId, WithLink
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.sockets import Combo, Float, Int, Socket
from weft.engine.settings import Settings
from weft.engine.trajectory import Trajectory
from weft.nodes.core.trajectories import of_ksampler
from weft.nodes.core.types import (
    CFG,
    LATENT_IMAGE,
    MODEL,
    NEGATIVE,
    POSITIVE,
    AddNoise,
    AnySchedulerName,
    Conditioning,
    EndStep,
    Image,
    Latent,
    LeftoverNoise,
    Model,
    SamplerName,
    Seed,
    StartStep,
    Steps,
    Vae,
    WholeSteps,
)
from weft.nodes.efficiency.axes.rules import check_axes
from weft.nodes.efficiency.axes.written import check_sampler
from weft.nodes.efficiency.cells import Encoders, add_plot
from weft.nodes.efficiency.errors import BadScript
from weft.nodes.efficiency.face import node
from weft.nodes.efficiency.sampling import NO_PICTURE, Refiner, Sampling, add_sampling
from weft.nodes.efficiency.values import Script, ScriptValue, SdxlTupleValue

CATEGORY = "Efficiency Nodes/Sampling"
PREVIEWS = ("auto", "latent2rgb", "taesd", "none")
DECODE = ("true", "true (tiled)", "false")

ModelLink = Annotated[Link, Socket("MODEL"), RawLink(), MODEL]
PositiveLink = Annotated[Link, Socket("CONDITIONING"), RawLink(), POSITIVE]
NegativeLink = Annotated[Link, Socket("CONDITIONING"), RawLink(), NEGATIVE]
LatentLink = Annotated[Link, Socket("LATENT"), RawLink(), LATENT_IMAGE]
VaeLink = Annotated[Link, Socket("VAE"), RawLink(), Tooltip("The VAE; without one nothing is decoded.")]
SamplerScript = Annotated[ScriptValue, Tooltip("What to do beside sampling: noise, a second pass, tiles, a plot.")]
TupleWithLink = Annotated[Linked, Socket("SDXL_TUPLE"), WithLink()]
Cfg = Annotated[float, Float(default=7.0, min=0.0, max=100.0), CFG]
DecodeOrNot = Annotated[str, Combo((*DECODE, "output only", "output only (tiled)"))]

Outputs = tuple[
    Model,
    Annotated[Conditioning, Output("CONDITIONING+")],
    Annotated[Conditioning, Output("CONDITIONING-")],
    Latent,
    Vae,
    Image,
]

_OWN = frozenset(("preview_method", "vae_decode", "optional_vae", "script"))
"""Inputs of these samplers that the sampler inside does not have."""


def of_inner(given: Mapping[str, Any], settings: Settings) -> Trajectory | None:
    """That of the one KSampler that it becomes; with a script, only the run knows what it becomes."""
    if "script" in given:
        return None
    inner = {name: value for name, value in given.items() if name not in _OWN}
    return of_ksampler(inner, settings) if inner.get("denoise") != 0 else Trajectory(None, calls=())


def unknown(given: Mapping[str, Any], settings: Settings) -> None:
    """Nothing is known: whether there is a refiner is in a value."""


@node(
    class_type="KSampler (Efficient)",
    category=CATEGORY,
    output_node=True,
    check=check_sampler,
    version=2,
    trajectory=of_inner,
)
def KSamplerEfficient(
    *,
    model: ModelLink,
    seed: Seed,
    steps: Steps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: AnySchedulerName,
    positive: PositiveLink,
    negative: NegativeLink,
    latent_image: LatentLink,
    denoise: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
    preview_method: Annotated[str, Combo(("auto", "latent2rgb", "taesd", "vae_decoded_only", "none"))],
    vae_decode: Annotated[str, Combo(DECODE)],
    optional_vae: VaeLink | None = None,
    script: SamplerScript | None = None,
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    my_unique_id: UniqueId,
    graph: GraphBuilder,
    context: RunContext,
) -> Outputs:
    """Sample as KSampler does, run scripts, decode and show the result.

    Args:
        denoise: The share of the schedule that is run, from its end; 0 leaves the latent as it is.
        preview_method: none shows no picture; the others show the decoded one.
        vae_decode: Whether the result is decoded, at once or in tiles of 320 pixels.
    """
    sampling = Sampling(
        kind="regular",
        model=model,
        positive=positive,
        negative=negative,
        latent=latent_image,
        vae=optional_vae,
        seed=seed,
        steps=steps,
        cfg=cfg,
        sampler_name=sampler_name,
        scheduler=scheduler,
        decode=vae_decode,
        script=script or Script(),
        denoise=denoise,
    )
    return _single("KSampler (Efficient)", graph, sampling, preview_method, context)


@node(
    class_type="KSampler Adv. (Efficient)",
    category=CATEGORY,
    output_node=True,
    check=check_sampler,
    version=2,
    trajectory=of_inner,
)
def KSamplerAdvEfficient(
    *,
    model: ModelLink,
    add_noise: AddNoise,
    noise_seed: Seed,
    steps: WholeSteps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: AnySchedulerName,
    positive: PositiveLink,
    negative: NegativeLink,
    latent_image: LatentLink,
    start_at_step: StartStep,
    end_at_step: EndStep,
    return_with_leftover_noise: LeftoverNoise,
    preview_method: Annotated[str, Combo(PREVIEWS)],
    vae_decode: DecodeOrNot,
    optional_vae: VaeLink | None = None,
    script: SamplerScript | None = None,
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    my_unique_id: UniqueId,
    graph: GraphBuilder,
    context: RunContext,
) -> Outputs:
    """Run a stretch of a schedule as KSampler (Advanced) does, run scripts, decode and show the result.

    Args:
        preview_method: none shows no picture; the others show the decoded one.
        vae_decode: Whether the result is decoded, at once or in tiles of 320 pixels; output only shows no picture.
    """
    sampling = Sampling(
        kind="advanced",
        model=model,
        positive=positive,
        negative=negative,
        latent=latent_image,
        vae=optional_vae,
        seed=noise_seed,
        steps=steps,
        cfg=cfg,
        sampler_name=sampler_name,
        scheduler=scheduler,
        decode=vae_decode,
        script=script or Script(),
        add_noise=add_noise,
        start=start_at_step,
        end=end_at_step,
        leftover=return_with_leftover_noise,
    )
    return _single("KSampler Adv. (Efficient)", graph, sampling, preview_method, context)


@node(
    class_type="KSampler SDXL (Eff.)",
    category=CATEGORY,
    output_node=True,
    check=check_sampler,
    version=2,
    trajectory=unknown,
)
def KSamplerSdxlEff(
    *,
    sdxl_tuple: TupleWithLink,
    noise_seed: Seed,
    steps: WholeSteps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: AnySchedulerName,
    latent_image: LatentLink,
    start_at_step: StartStep,
    refine_at_step: Annotated[int, Int(default=-1, min=-1, max=10_000)],
    preview_method: Annotated[str, Combo(PREVIEWS)],
    vae_decode: DecodeOrNot,
    optional_vae: VaeLink | None = None,
    script: SamplerScript | None = None,
    prompt: PromptJson,
    extra_pnginfo: ExtraPnginfo,
    my_unique_id: UniqueId,
    graph: GraphBuilder,
    context: RunContext,
) -> tuple[SdxlTupleValue, Latent, Vae, Image]:
    """Sample with SDXL's base and, from a step on, its refiner; run scripts, decode and show the result.

    Args:
        sdxl_tuple: Base and refiner with their prompts.
        refine_at_step: The step from which the refiner goes on; -1 leaves it out, as does a tuple without one.
        preview_method: none shows no picture; the others show the decoded one.
        vae_decode: Whether the result is decoded, at once or in tiles of 320 pixels; output only shows no picture.
    """
    parts = graph.add("Unpack SDXL Tuple", sdxl_tuple=sdxl_tuple.link)
    refined = sdxl_tuple.value.refiner_model is not None
    sampling = Sampling(
        kind="sdxl",
        model=parts[0],
        positive=parts[2],
        negative=parts[3],
        latent=latent_image,
        vae=optional_vae,
        seed=noise_seed,
        steps=steps,
        cfg=cfg,
        sampler_name=sampler_name,
        scheduler=scheduler,
        decode=vae_decode,
        script=script or Script(),
        start=start_at_step,
        refine=refine_at_step,
        refiner=Refiner(parts[4], parts[6], parts[7]) if refined else None,
    )
    encoders = Encoders(parts[1], parts[5] if refined else None)
    latent, image = _expand("KSampler SDXL (Eff.)", graph, sampling, preview_method, encoders, context)
    return graph.result(sdxl_tuple.link, latent, optional_vae, image)


def _single(class_type: str, graph: GraphBuilder, sampling: Sampling, preview: str, context: RunContext) -> Outputs:
    plot = sampling.script.xyplot
    encoders = Encoders(plot.dependencies.clip if plot is not None and plot.dependencies is not None else None)
    latent, image = _expand(class_type, graph, sampling, preview, encoders, context)
    passed = (sampling.model, sampling.positive, sampling.negative)
    return graph.result(*passed, latent, sampling.vae, image)


def _expand(
    class_type: str, graph: GraphBuilder, sampling: Sampling, preview: str, encoders: Encoders, context: RunContext
) -> tuple[Link, Link]:
    """Latent and image of the sampling, or of every cell of its plot; the picture is shown by a PreviewImage inside."""
    script = sampling.script
    if script.xyplot is not None:
        check_axes(class_type, script.xyplot)
        if sampling.vae is None:
            raise BadScript("an XY Plot shows decoded pictures, and there is no VAE", hint="connect optional_vae")
        latents, images, plot = add_plot(graph, sampling, script.xyplot, encoders)
        _show(graph, plot)
        return latents, plot if script.xyplot.plot_as_output else images
    if sampling.vae is None and sampling.decode != "false":
        context.warn("no VAE is connected: nothing is decoded, as if vae_decode were false")
    result = add_sampling(graph, sampling)
    if result.image is None:
        return result.latent, graph.add(NO_PICTURE)[0]
    if preview != "none" and not sampling.decode.startswith("output only"):
        _show(graph, result.image)
    return result.latent, result.image


def _show(graph: GraphBuilder, image: Link) -> Any:
    return graph.add("PreviewImage", title="show the result", images=image)
