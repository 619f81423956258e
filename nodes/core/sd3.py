"""Stable Diffusion 3 and HiDream: their text encoders, and prompts for each of them."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Combo
from weft.nodes.core.conditioning import Prompt, prompts, require
from weft.nodes.core.loaders import LIBRARIES, open_text_encoders
from weft.nodes.core.types import Clip, Conditioning, weights

__all__ = ["LIBRARIES", "CLIPTextEncodeSD3", "QuadrupleCLIPLoader", "TripleCLIPLoader"]

_SD3 = "comfy_extras.nodes_sd3"

HIDREAM = "these are text encoders for HiDream, which Weft does not run yet"

ClipFile = Annotated[str, weights("text_encoders", multiselect=False)]


@node(category="advanced/loaders", python_module=_SD3)
def TripleCLIPLoader(*, clip_name1: ClipFile, clip_name2: ClipFile, clip_name3: ClipFile, context: RunContext) -> Clip:
    """Open the three text encoders of Stable Diffusion 3 from files of their own: CLIP L, bigG and T5.

    Args:
        clip_name1: A file below the text_encoders folders.
        clip_name2: The second; the order does not matter.
        clip_name3: The third.
    """
    return open_text_encoders([clip_name1, clip_name2, clip_name3], "sd3", "default", context)


@node(category="advanced/loaders", python_module="comfy_extras.nodes_hidream")
def QuadrupleCLIPLoader(
    *, clip_name1: ClipFile, clip_name2: ClipFile, clip_name3: ClipFile, clip_name4: ClipFile
) -> Clip:
    """Open the four text encoders of HiDream: CLIP L, bigG, T5 and Llama. Weft does not run HiDream yet, and says so.

    Args:
        clip_name1: A file below the text_encoders folders.
        clip_name2: The second; the order does not matter.
        clip_name3: The third.
        clip_name4: The fourth.
    """
    from weft.nodes.diffusion.errors import DiffusionError

    raise DiffusionError(HIDREAM)


@node(category="advanced/conditioning", python_module=_SD3, **prompts("clip_l", "clip_g", "t5xxl"))
def CLIPTextEncodeSD3(
    *,
    clip: Clip,
    clip_l: Prompt,
    clip_g: Prompt,
    t5xxl: Prompt,
    empty_padding: Annotated[str, Combo(("none", "empty_prompt"), multiselect=False)],
    context: RunContext,
) -> Conditioning:
    """Encode a prompt for each of the text encoders of Stable Diffusion 3. Texts for those that are missing are unread.

    Args:
        clip: The text encoders of a Stable Diffusion 3 model.
        clip_l: The prompt for CLIP L.
        clip_g: The prompt for CLIP bigG.
        t5xxl: The prompt for T5: sentences.
        empty_padding: What an empty text is: none leaves its part out, empty_prompt encodes it.
    """
    texts = {"clip_l": clip_l, "clip_g": clip_g, "t5xxl": t5xxl}
    if empty_padding == "none":
        texts = {name: text for name, text in texts.items() if text}
    return require(clip, "text encoder").encode_each(texts, context.warn)
