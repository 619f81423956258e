"""Qwen-Image Edit: prompts about pictures, which the text encoder sees and the model is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.nodes.core.conditioning import Prompt, prompts, require
from weft.nodes.core.types import Clip, Conditioning, Image, Vae

if TYPE_CHECKING:
    from collections.abc import Mapping

_CATEGORY = "advanced/conditioning"
_MODULE = "comfy_extras.nodes_qwen"
# Pixels of a picture that the text encoder sees among several, and that the model is shown.
_SEEN, _SHOWN = 384 * 384, 1024 * 1024
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
