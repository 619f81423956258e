"""Qwen-Image Edit and 2.1: prompts about pictures, which the text encoder sees and the model is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Autogrow, Int
from weft.nodes.core.conditioning import Prompt, prompts, require
from weft.nodes.core.empty_latents import zeros
from weft.nodes.core.types import Clip, Conditioning, Image, Latent, Vae

_CATEGORY = "advanced/conditioning"
_MODULE = "comfy_extras.nodes_qwen"
# Pixels of a picture that the text encoder sees among several, and that the model is shown.
_SEEN, _SHOWN = 384 * 384, 1024 * 1024
# Pixels of a side where nobody says how many.
_SIDE = 1024
_MARK = "<|vision_start|><|image_pad|><|vision_end|>"


@node(category=_CATEGORY, python_module=_MODULE, **prompts("prompt"))
def TextEncodeQwenImageEdit(
    *, clip: Clip, prompt: Prompt, vae: Vae | None = None, image: Image | None = None, context: RunContext
) -> Conditioning:
    """Encode what Qwen-Image Edit is to do with a picture. The picture is brought to about a million pixels.

    Args:
        clip: Qwen2.5-VL, with what sees pictures.
        prompt: What to do.
        vae: The VAE of Qwen-Image; without it the model itself is not shown the picture.
        image: The picture; without one this is CLIPTextEncode.
    """
    encoder = require(clip, "text encoder")
    if image is None:
        return encoder.encode(prompt, context.warn)
    return _told(encoder, prompt, {_MARK: image}, _SHOWN, vae, context)


@node(category=_CATEGORY, python_module=_MODULE, **prompts("prompt"))
def TextEncodeQwenImageEditPlus(
    *,
    clip: Clip,
    prompt: Prompt,
    vae: Vae | None = None,
    image1: Image | None = None,
    image2: Image | None = None,
    image3: Image | None = None,
    context: RunContext,
) -> Conditioning:
    """Encode what Qwen-Image Edit 2509 or 2511 is to do with pictures, which the prompt calls Picture 1 to 3.

    Args:
        clip: Qwen2.5-VL, with what sees pictures.
        prompt: What to do.
        vae: The VAE of Qwen-Image; without it the model itself is not shown the pictures.
        image1: The first picture.
        image2: The second picture.
        image3: The third picture.
    """
    given = {f"Picture {number}: {_MARK}": image for number, image in enumerate((image1, image2, image3), 1)}
    pictures = {mark: image for mark, image in given.items() if image is not None}
    return _told(require(clip, "text encoder"), prompt, pictures, _SEEN, vae, context)


_Pictures = Annotated[
    Mapping[str, Image],
    Autogrow(
        template={
            "input": {"optional": {"image": ["IMAGE", {}]}},
            "names": [f"image_{number}" for number in range(1, 17)],
            "min": 0,
        }
    ),
]


@node(category=_CATEGORY, python_module=_MODULE, **prompts("prompt", "negative_prompt"))
def TextEncodeQwenImage21(
    *,
    clip: Clip,
    images: _Pictures,
    vae: Vae | None = None,
    prompt: Prompt,
    negative_prompt: Prompt,
    resolution: Annotated[int, Int(default=1024, min=0, max=4096, step=32)],
    context: RunContext,
) -> tuple[
    Annotated[Conditioning, Output("positive")],
    Annotated[Conditioning, Output("negative")],
    Annotated[Latent, Output("latent")],
]:
    """Encode prompts for Qwen-Image 2.1, and pictures that it is to edit; give an empty latent of the first one's size.

    Args:
        clip: Qwen3-VL, type qwen_image.
        images: The pictures. What is clear in one with an alpha channel is white to the text encoder, clear to the VAE.
        vae: The VAE of Qwen-Image 2.1; without it the model itself is not shown the pictures.
        prompt: What to draw, or what to do with the pictures, which it calls <image1>, <image2>, ...
        negative_prompt: What the picture should not be.
        resolution: Each picture is brought to about the area of a square with this side; 0 leaves its size as it is,
            but for whole cells of 32 pixels. Without pictures it is the side of the latent.
    """
    from weft.nodes.diffusion.text.prompt_mix import with_options
    from weft.nodes.diffusion.values.pixels import over_white, scale_image
    from weft.nodes.diffusion.values.trained_sizes import size_of_area

    encoder, shown = require(clip, "text encoder"), []
    for name, image in images.items():
        if len(image) > 1:
            context.warn(f"{name} has {len(image)} pictures, of which the first is shown: link each to an input")
        size = size_of_area(image, resolution**2 or image.shape[1] * image.shape[2])
        shown.append(scale_image(image[:1], *size, "lanczos", "disabled"))
    marks = " ".join(f"<image{number}>{_MARK}" for number in range(1, len(shown) + 1))
    seen = [over_white(each) for each in shown]
    beside = {"reference_latents": [vae.encode(each) for each in shown]} if vae is not None and shown else {}

    def told(text: str) -> Conditioning:
        if not shown:
            return encoder.encode(text, context.warn)
        return with_options(encoder.encode_shown(marks + (text or " "), seen, context.warn), **beside)

    side = resolution or _SIDE
    height, width = shown[0].shape[1:3] if shown else (side, side)
    return told(prompt), told(negative_prompt), zeros(1, 64, height // 16, width // 16, pixels=16)


def _told(
    clip: Clip, prompt: str, pictures: Mapping[str, Image], seen: int, vae: Vae | None, context: RunContext
) -> Conditioning:
    """The prompt behind the marks of pictures; seen: how many pixels of each the text encoder sees."""
    from weft.nodes.diffusion.text.prompt_mix import with_options
    from weft.nodes.diffusion.values.pixels import scale_image
    from weft.nodes.diffusion.values.trained_sizes import size_of_area

    def brought(image: Image, area: int) -> Image:
        return scale_image(image[..., :3], *size_of_area(image, area), "lanczos", "disabled")

    shown = [brought(image, seen) for image in pictures.values()]
    encoded = clip.encode_shown("".join(pictures) + prompt, shown, context.warn)
    if vae is None or not pictures:
        return encoded
    return with_options(encoded, reference_latents=[vae.encode(brought(image, _SHOWN)) for image in pictures.values()])
