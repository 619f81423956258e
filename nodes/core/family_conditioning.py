"""What conditionings tell particular families of models beside the prompt: guidance, references, rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Output, Tooltip, node
from weft.engine.schema.sockets import Autogrow, Combo, DynamicCombo, Float, String
from weft.nodes.core.conditioning import Share, ShareOffset, Strength, prompts, require
from weft.nodes.core.types import Clip, Conditioning, Image, Latent, Negative, Positive, Vae

_FLUX = "comfy_extras.nodes_flux"
_FLUX_CATEGORY = "advanced/conditioning/flux"

Guidance = Annotated[
    float,
    Float(default=3.5, min=0.0, max=100.0, step=0.1),
    Tooltip("How strongly a model that was distilled for it follows the prompt; others do not read it."),
]
Prompts = Annotated[Conditioning, Tooltip("The prompts.")]
Both = tuple[Annotated[Conditioning, Output("positive")], Annotated[Conditioning, Output("negative")]]


@node(category=_FLUX_CATEGORY, python_module=_FLUX)
def FluxGuidance(*, conditioning: Prompts, guidance: Guidance) -> Conditioning:
    """Say how strongly FLUX and its like follow the prompt: it stands in the place of the sampler's cfg."""
    from weft.nodes.diffusion.text.prompt_mix import with_options

    return with_options(conditioning, guidance=guidance)


@node(category=_FLUX_CATEGORY, python_module=_FLUX)
def FluxDisableGuidance(*, conditioning: Prompts) -> Conditioning:
    """Tell FLUX and its like no guidance at all, for fine-tunes that were trained without."""
    from weft.nodes.diffusion.text.prompt_mix import with_options

    return with_options(conditioning, guidance=None)


@node(category=_FLUX_CATEGORY, python_module=_FLUX, **prompts("clip_l", "t5xxl"))
def CLIPTextEncodeFlux(
    *,
    clip: Clip,
    clip_l: Annotated[str, String(multiline=True, dynamicPrompts=True)],
    t5xxl: Annotated[str, String(multiline=True, dynamicPrompts=True)],
    guidance: Guidance,
    context: RunContext,
) -> Conditioning:
    """Encode a prompt for each of FLUX's two text encoders, and say how strongly it is followed.

    Args:
        clip: The text encoders of a FLUX model.
        clip_l: The prompt for CLIP L: a few words that say what the picture is.
        t5xxl: The prompt for T5: sentences.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    encoded = require(clip, "text encoder").encode_each({"clip_l": clip_l, "t5xxl": t5xxl}, context.warn)
    return with_options(encoded, guidance=guidance)


@node(category="advanced/conditioning/edit_models", python_module="comfy_extras.nodes_edit_model")
def ReferenceLatent(
    *, conditioning: Prompts, latent: Annotated[Latent, Tooltip("The encoded picture.")] | None = None
) -> Conditioning:
    """Show an encoded picture to a model that edits; chained, several.

    Args:
        latent: The encoded picture; without one the prompts stay as they are.
    """
    from weft.nodes.diffusion.values.latents import samples_of

    if latent is None:
        return conditioning
    return _referring(conditioning, [samples_of(latent)])


def _referring(conditioning: Conditioning, latents: Sequence[Any]) -> Conditioning:
    """Prompts with more pictures to edit, behind those that they have."""
    return [
        [cond, {**options, "reference_latents": [*options.get("reference_latents", ()), *latents]}]
        for cond, options in conditioning
    ]


_MEGAPIXELS = ["FLOAT", {"default": 1.0, "min": 0.01, "max": 16.0, "step": 0.01}]
Resolution = Annotated[
    Mapping[str, Any],
    DynamicCombo(
        options=[
            {"key": "keep resolution", "inputs": {"required": {}}},
            {"key": "resize", "inputs": {"required": {"megapixels": _MEGAPIXELS}}},
        ]
    ),
]
Pictures = Annotated[
    Mapping[str, Image],
    Autogrow(template={"input": {"required": {"image": ["IMAGE", {}]}}, "prefix": "image", "min": 1, "max": 100}),
]


@node(
    display_name="Set Multiple Reference Latents",
    category="advanced/conditioning/edit_models",
    python_module="comfy_extras.nodes_edit_model",
)
def ReferenceMultiLatent(
    *,
    positive: Positive,
    negative: Negative | None = None,
    vae: Vae | None = None,
    resolution: Resolution,
    images: Pictures,
) -> tuple[
    Annotated[Conditioning, Output("positive")],
    Annotated[Conditioning, Output("negative")],
    Annotated[Latent, Output("empty_latent")],
]:
    """Show several pictures to a model that edits, and give an empty latent of the size of the first.

    Args:
        positive: What the picture shall show.
        negative: What it shall not show; without it the other's prompts are given.
        vae: The VAE of the model.
        resolution: Whether pictures are brought to so many pixels, in multiples of 16.
        images: The pictures, in the order in which the prompt counts them.
    """
    import torch

    from weft.nodes.diffusion.values.pixels import scale_image
    from weft.nodes.diffusion.values.trained_sizes import size_of_area

    encoder, latents = require(vae, "VAE"), []
    for image in images.values():
        shown = image[..., :3]
        if resolution["resolution"] == "resize":
            size = size_of_area(shown, round(resolution["megapixels"] * 1024 * 1024), 16)
            shown = scale_image(shown, *size, "lanczos", "disabled")
        latents.append(encoder.encode(shown))
    wanted = _referring(positive, latents)
    unwanted = wanted if negative is None else _referring(negative, latents)
    return wanted, unwanted, {"samples": torch.zeros_like(latents[0])}


@node(category=_FLUX_CATEGORY, python_module=_FLUX, experimental=True)
def FluxKontextMultiReferenceLatentMethod(
    *,
    conditioning: Prompts,
    reference_latents_method: Annotated[
        str, Combo(("offset", "index", "uxo/uno", "index_timestep_zero"), multiselect=False)
    ],
) -> Conditioning:
    """Say where the model imagines several reference pictures.

    Args:
        reference_latents_method: offset beside each other, index behind each other, uxo/uno across each other;
            index_timestep_zero behind each other, and without noise.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    method = "uxo" if reference_latents_method.startswith("ux") else reference_latents_method
    return with_options(conditioning, reference_latents_method=method)


@node(category=_FLUX_CATEGORY, python_module=_FLUX)
def FluxKontextImageScale(*, image: Image) -> Image:
    """Bring pictures to the size that FLUX Kontext was trained at whose proportions are nearest, cut at the middle.

    Args:
        image: The pictures.
    """
    from weft.nodes.diffusion.values.pixels import scale_image
    from weft.nodes.diffusion.values.trained_sizes import kontext_size

    return scale_image(image, *kontext_size(image), "lanczos", "center")


@node(category="conditioning/video_models", python_module="comfy_extras.nodes_lt")
def LTXVConditioning(
    *,
    positive: Positive,
    negative: Negative,
    frame_rate: Annotated[float, Float(default=25.0, min=0.0, max=1000.0, step=0.01)],
) -> Both:
    """Tell LTX-Video how fast the video is played.

    Args:
        frame_rate: Frames a second.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    return with_options(positive, frame_rate=frame_rate), with_options(negative, frame_rate=frame_rate)


@node(category="conditioning", python_module="comfy_extras.nodes_audio")
def ConditioningStableAudio(
    *,
    positive: Positive,
    negative: Negative,
    seconds_start: Annotated[float, Float(default=0.0, min=0.0, max=1000.0, step=0.1)],
    seconds_total: Annotated[float, Float(default=47.0, min=0.0, max=1000.0, step=0.1)],
) -> Both:
    """Tell Stable Audio which part of how long a piece it makes.

    Args:
        seconds_start: Where the part begins.
        seconds_total: How long the piece is.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    values = {"seconds_start": seconds_start, "seconds_total": seconds_total}
    return with_options(positive, **values), with_options(negative, **values)


@node(category="conditioning", python_module="comfy_extras.nodes_video_model")
def ConditioningSetAreaPercentageVideo(
    *,
    conditioning: Prompts,
    width: Share,
    height: Share,
    temporal: Share,
    x: ShareOffset,
    y: ShareOffset,
    z: ShareOffset,
    strength: Strength,
) -> Conditioning:
    """Let a prompt act in a box of a video only, given in shares of its sides and of its length.

    Args:
        width: Width of the box, 1 for the video's.
        height: Height of the box, 1 for the video's.
        temporal: Length of the box in time, 1 for the video's.
        x: From the left to the box, as a share of the width.
        y: From the top to the box, as a share of the height.
        z: From the beginning to the box, as a share of the length.
        strength: How much it counts beside other prompts that act at the same place.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options

    area = ("percentage", temporal, height, width, z, y, x)
    return with_options(conditioning, area=area, strength=strength, set_area_to_bounds=False)
