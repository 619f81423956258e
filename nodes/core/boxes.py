"""Boxes: drawn in the editor, described for a prompt, cut out, shown; pictures cut to what a mask shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.errors import WeftError
from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import DynamicCombo, Float, Int, Opaque, Socket, String
from weft.nodes.core.maths import colour_bytes
from weft.nodes.core.types import NEWER, Image, Mask

Side = Annotated[int, Int(default=1024, min=64, max=16384, step=16)]
Boxes = Annotated[Any, Socket("BOUNDING_BOX")]
Elements = Annotated[Sequence[Mapping[str, Any]], Socket("ARRAY")]
State = Annotated[Any, Opaque("BOUNDING_BOXES", default=[])]
Line = Annotated[str, String(default="", multiline=True)]

GRID = 1000
"""The side of a picture in the coordinates of prompts."""
TEXT = "text"


@node(display_name="Bounding Box", category="utils/primitive", python_module=NEWER)
def PrimitiveBoundingBox(
    *,
    x: Annotated[int, Int(default=0, min=0, max=16384)],
    y: Annotated[int, Int(default=0, min=0, max=16384)],
    width: Annotated[int, Int(default=512, min=1, max=16384)],
    height: Annotated[int, Int(default=512, min=1, max=16384)],
) -> Annotated[Boxes, Output("bounding_box")]:
    """A box.

    Args:
        x: Pixels from the left.
        y: Pixels from the top.
        width: Width in pixels.
        height: Height in pixels.
    """
    return {"x": x, "y": y, "width": width, "height": height}


@node(display_name="Create Bounding Boxes", category="image", python_module=NEWER)
def CreateBoundingBoxes(
    *,
    width: Side,
    height: Side,
    editor_state: State,
    background: Image | None = None,
    bboxes: Annotated[Any, Socket("BOUNDING_BOX,ARRAY,STRING")] = None,
    last_incoming: State = None,
) -> tuple[
    Annotated[Image, Output("preview")], Annotated[Boxes, Output("bboxes")], Annotated[Elements, Output("elements")]
]:
    """Boxes drawn in the editor, as a picture, as boxes, and as elements of a prompt with what is said of each.

    Args:
        width: Width in pixels of what they are drawn on.
        height: Height in pixels of what they are drawn on.
        editor_state: The boxes as they were drawn.
        background: What the preview shows below them; resized.
        bboxes: Boxes, elements, or JSON of them, in the place of those that were drawn, unless these come from them.
        last_incoming: The boxes that those that were drawn come from.
    """
    from weft.nodes.diffusion.values.boxes import draw, numbered, read_box
    from weft.nodes.diffusion.values.canvas import empty_image
    from weft.nodes.diffusion.values.sizes import resized

    incoming = None if bboxes is None else _drawn(bboxes, width, height)
    taken = editor_state or []
    if incoming is not None and incoming != (last_incoming or []):
        taken = incoming
    boxes = [read_box(item) for item in taken]
    said = [item.get("metadata") or {} for item in taken]
    texts = [str(each.get("text") or each.get("desc") or "") for each in said]
    colours = [next(iter(each.get("palette") or ()), "") for each in said]
    ground = (
        empty_image(width, height, 1, 0) if background is None else resized(background, (width, height), "bilinear")
    )
    plain = [{"x": box.x, "y": box.y, "width": box.width, "height": box.height} for box in boxes]
    elements = [_element(box, each, width, height) for box, each in zip(plain, said, strict=True)]
    return draw(ground, [[*numbered(boxes, texts, colours)]]), plain, elements


def _element(box: Mapping[str, int], said: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    """A box as a prompt has it: its corners from the top left, y before x, in thousandths of the picture."""
    corners = (
        (box["y"], height),
        (box["x"], width),
        (box["y"] + box["height"], height),
        (box["x"] + box["width"], width),
    )
    kind = str(said.get("type") or "obj")
    element: dict[str, Any] = {"type": kind, "bbox": [_within(round(at * GRID / side)) for at, side in corners]}
    if kind == TEXT:
        element["text"] = str(said.get("text") or "")
    element["desc"] = str(said.get("desc") or "")
    if said.get("palette"):
        element["color_palette"] = list(said["palette"])
    return element


def _within(place: int) -> int:
    return min(max(place, 0), GRID)


def _drawn(given: Any, width: int, height: int) -> list[dict[str, Any]]:
    """Boxes, elements or JSON of either, in the form in which the editor keeps them."""
    if isinstance(given, str):
        try:
            given = json.loads(given or "[]")
        except ValueError as error:
            raise WeftError(f"bboxes is no JSON: {error}") from error
    items = [given] if isinstance(given, Mapping) else given
    if not isinstance(items, Sequence) or not all(isinstance(item, Mapping) for item in items):
        raise WeftError(f"expected boxes or elements, got {str(given)[:80]}")
    return [_from_element(item, width, height) if "bbox" in item else dict(item) for item in items]


def _from_element(element: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    try:
        top, left, bottom, right = (float(place) for place in element["bbox"])
    except (TypeError, ValueError) as error:
        raise WeftError(f"a bbox is [top, left, bottom, right] of 0 to {GRID}, got {element['bbox']!r}") from error
    said = {"type": element.get("type", "obj"), "text": element.get("text", ""), "desc": element.get("desc", "")}
    return {
        "x": round(left * width / GRID),
        "y": round(top * height / GRID),
        "width": round((right - left) * width / GRID),
        "height": round((bottom - top) * height / GRID),
        "metadata": {**said, "palette": list(element.get("color_palette") or ())},
    }


@node(display_name="Draw BBoxes", category="image", python_module=NEWER)
def DrawBBoxes(*, bboxes: Boxes, image: Image | None = None) -> Annotated[Image, Output("out_image")]:
    """Show boxes on pictures, with their labels and scores.

    Args:
        bboxes: A box, a list of them for every picture, or a list for each.
        image: The pictures; a black canvas without them.
    """
    from weft.nodes.diffusion.values.boxes import draw, read_boxes

    return draw(image, read_boxes(bboxes))


@node(display_name="Crop Image", category="image/transform", python_module=NEWER)
def ImageCropV2(
    *,
    image: Image,
    crop_region: Annotated[Any, Opaque("BOUNDING_BOX", default={"x": 0, "y": 0, "width": 512, "height": 512})],
) -> Image:
    """Cut a box out of pictures.

    Args:
        image: The pictures.
        crop_region: The box; of several the first. What exceeds the pictures is cut off.
    """
    from weft.nodes.diffusion.values.boxes import crop_to_box

    return crop_to_box(image, crop_region)


@node(display_name="Crop Image to Mask", category="image/transform", python_module=NEWER)
def ImageCropToMask(
    *,
    images: Image,
    masks: Mask,
    width: Annotated[int, Int(default=1024, min=64, max=4096, step=8)],
    height: Annotated[int, Int(default=1024, min=64, max=4096, step=8)],
    pad_factor: Annotated[float, Float(default=1.0, min=1.0, max=2.0, step=0.01)],
    grow_mask: Annotated[int, Int(default=0, min=-32, max=32, step=1)],
    background: Annotated[str, Opaque("COLOR", default="#000000")],
    context: RunContext,
) -> Annotated[Image, Output("images")]:
    """Cut pictures to what a mask shows, in the middle of a picture of one size, on one colour.

    Args:
        images: The pictures.
        masks: What is shown; one for all, or one for each. An inverted one is recognised by its border.
        width: Width in pixels of what it gives.
        height: Height in pixels of what it gives.
        pad_factor: How many times as large as what is shown the cut is.
        grow_mask: Pixels by which the mask grows first, or shrinks.
        background: The colour around it, `#RRGGBB`.
    """
    from weft.nodes.diffusion.values.boxes import crop_to_mask

    ground = [value / 255 for value in colour_bytes(background)[:3]]
    return crop_to_mask(images, masks, width, height, pad_factor, grow_mask, ground, context.warn)


def _style(key: str) -> dict[str, Any]:
    tooltip = {"photo": "The camera and its lens.", "art_style": "The style of the drawing."}.get(key)
    words = ["STRING", {"default": "", "multiline": True, "tooltip": tooltip}]
    return {"key": key, "inputs": {"required": {key: words} if tooltip else {}}}


@node(display_name="Build JSON Prompt (Ideogram)", category="utils/string", python_module=NEWER)
def BuildJsonPromptIdeogram(
    *,
    element: Elements,
    high_level_description: Line,
    background: Line,
    style: Annotated[Mapping[str, Any], DynamicCombo(options=[_style(key) for key in ("none", "photo", "art_style")])],
    aesthetics: Line,
    lighting: Line,
    medium: Line,
    color_palette: Annotated[Any, Opaque("COLORS", default=[])],
) -> Annotated[dict[str, Any], Socket("DICT"), Output("prompt")]:
    """A prompt as Ideogram 4 reads it: a picture taken apart into its style, its background and what stands on it.

    Args:
        element: What stands on it, from Create Bounding Boxes.
        high_level_description: The picture in a sentence or two.
        background: The background.
        style: A photo, or a drawing; none leaves the style out.
        aesthetics: Words for its mood.
        lighting: Words for its light.
        medium: What it is, as photograph or painting.
        color_palette: Its colours, each `#RRGGBB`.
    """
    prompt: dict[str, Any] = {}
    if high_level_description:
        prompt["high_level_description"] = high_level_description
    chosen = style["style"]
    if chosen != "none":
        said = {"aesthetics": aesthetics, "lighting": lighting, chosen: style.get(chosen, ""), "medium": medium}
        prompt["style_description"] = said | ({"color_palette": list(color_palette)} if color_palette else {})
    prompt["compositional_deconstruction"] = {"background": background, "elements": list(element)}
    return prompt


@node(display_name="FLUX 3 Layout Prompt", category="utils/string", python_module=NEWER)
def Flux3LayoutPrompt(*, prompt: Line, element: Elements) -> Annotated[str, String(), Output("prompt")]:
    """A prompt with boxes as FLUX.3 reads them: it names the first as <obj_1>, and what is there stands behind it.

    Args:
        prompt: The prompt.
        element: What stands in the boxes, from Create Bounding Boxes; without any the prompt stays as it is.
    """
    if not element:
        return prompt
    rows = [
        {"id": f"obj_{number}", "bbox": list(each["bbox"]), "desc": each.get("desc") or each.get(TEXT) or ""}
        for number, each in enumerate(element, 1)
    ]
    return f"{prompt.strip()} {json.dumps(rows, ensure_ascii=False)}"
