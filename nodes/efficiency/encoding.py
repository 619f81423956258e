"""The family's own way to read a prompt. Internal: the loaders and the cells of plots expand into these."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.node import INTERNAL
from weft.engine.schema.sockets import Combo, Float, Int, String
from weft.nodes.core.conditioning import prompts, require
from weft.nodes.core.types import Clip, Conditioning
from weft.nodes.diffusion.text.names import TOKEN_NORMALIZATIONS, WEIGHT_INTERPRETATIONS
from weft.nodes.efficiency.face import node

Text = Annotated[str, String(multiline=True)]
TokenNormalization = Annotated[str, Combo(TOKEN_NORMALIZATIONS)]
WeightInterpretation = Annotated[str, Combo(WEIGHT_INTERPRETATIONS)]
Side = Annotated[int, Int(default=1024, min=0, max=16384)]


@node(class_type="weft.EncodePrompt", category=INTERNAL, **prompts("text"), version=2)
def EncodePrompt(
    *,
    clip: Clip,
    text: Text,
    token_normalization: TokenNormalization,
    weight_interpretation: WeightInterpretation,
    context: RunContext,
) -> Conditioning:
    """Encode a prompt whose weights are normalised and read as an Efficient Loader's widgets say.

    Args:
        clip: The text encoders of a checkpoint.
        text: The prompt.
        token_normalization: How weights are evened out between words of different length.
        weight_interpretation: What a weight does.
    """
    from weft.nodes.diffusion.text.prompt_encoder import encode_prompt

    clip = require(clip, "text encoder")
    return encode_prompt(clip, text, token_normalization, weight_interpretation, context.warn)


@node(class_type="weft.EncodePromptRefiner", category=INTERNAL, **prompts("text"), version=2)
def EncodePromptRefiner(
    *,
    clip: Clip,
    text: Text,
    token_normalization: TokenNormalization,
    weight_interpretation: WeightInterpretation,
    ascore: Annotated[float, Float(default=6.0, min=0.0, max=1000.0, step=0.01)],
    width: Side,
    height: Side,
    context: RunContext,
) -> Conditioning:
    """Encode a prompt for SDXL's refiner, which is also told a size and a beauty.

    Args:
        clip: The text encoder of the refiner's checkpoint.
        text: The prompt.
        token_normalization: How weights are evened out between words of different length.
        weight_interpretation: What a weight does.
        ascore: The aesthetic score.
        width: Width of the picture in pixels.
        height: Height of the picture.
    """
    from weft.nodes.diffusion.text.prompt_encoder import encode_prompt

    clip = require(clip, "text encoder")
    encoded = encode_prompt(clip, text, token_normalization, weight_interpretation, context.warn)
    told = {"aesthetic_score": ascore, "width": width, "height": height}
    return [[cond, {**options, **told}] for cond, options in encoded]
