"""SDXL's base and refiner as one value."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import Output
from weft.engine.schema.node import INTERNAL
from weft.nodes.core.types import Clip, Conditioning, Model
from weft.nodes.efficiency.face import node
from weft.nodes.efficiency.values import SdxlTuple, SdxlTupleValue

CATEGORY = "Efficiency Nodes/Misc"


@node(class_type="Pack SDXL Tuple", category=CATEGORY)
def PackSdxlTuple(
    *,
    base_model: Model,
    base_clip: Clip,
    base_positive: Conditioning,
    base_negative: Conditioning,
    refiner_model: Model,
    refiner_clip: Clip,
    refiner_positive: Conditioning,
    refiner_negative: Conditioning,
) -> SdxlTupleValue:
    """Put SDXL's base and refiner, with their prompts, into one value.

    Args:
        base_model: The base's diffusion model.
        base_clip: Its text encoders.
        base_positive: What should be in the picture, encoded by them.
        base_negative: What should not.
        refiner_model: The refiner's diffusion model.
        refiner_clip: Its text encoder.
        refiner_positive: What should be in the picture, encoded by it.
        refiner_negative: What should not.
    """
    return SdxlTuple(
        base_model,
        base_clip,
        base_positive,
        base_negative,
        refiner_model,
        refiner_clip,
        refiner_positive,
        refiner_negative,
    )


@node(class_type="weft.PackSdxl", category=INTERNAL)
def PackSdxl(
    *,
    base_model: Model,
    base_clip: Clip,
    base_positive: Conditioning,
    base_negative: Conditioning,
    refiner_model: Model | None = None,
    refiner_clip: Clip | None = None,
    refiner_positive: Conditioning | None = None,
    refiner_negative: Conditioning | None = None,
) -> SdxlTupleValue:
    """As Pack SDXL Tuple, for a base that may have no refiner.

    Args:
        base_model: The base's diffusion model.
        base_clip: Its text encoders.
        base_positive: What should be in the picture, encoded by them.
        base_negative: What should not.
        refiner_model: The refiner's diffusion model.
        refiner_clip: Its text encoder.
        refiner_positive: What should be in the picture, encoded by it.
        refiner_negative: What should not.
    """
    refiner = (refiner_model, refiner_clip, refiner_positive, refiner_negative)
    return SdxlTuple(base_model, base_clip, base_positive, base_negative, *refiner)


@node(class_type="Unpack SDXL Tuple", category=CATEGORY)
def UnpackSdxlTuple(
    *, sdxl_tuple: SdxlTupleValue
) -> tuple[
    Annotated[Model, Output("BASE_MODEL")],
    Annotated[Clip, Output("BASE_CLIP")],
    Annotated[Conditioning, Output("BASE_CONDITIONING+")],
    Annotated[Conditioning, Output("BASE_CONDITIONING-")],
    Annotated[Model, Output("REFINER_MODEL")] | None,
    Annotated[Clip, Output("REFINER_CLIP")] | None,
    Annotated[Conditioning, Output("REFINER_CONDITIONING+")] | None,
    Annotated[Conditioning, Output("REFINER_CONDITIONING-")] | None,
]:
    """Take SDXL's base and refiner, with their prompts, out of one value.

    Args:
        sdxl_tuple: What Eff. Loader SDXL or Pack SDXL Tuple made; without a refiner, its four are empty.
    """
    return sdxl_tuple
