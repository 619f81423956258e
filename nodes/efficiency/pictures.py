"""What the samplers of the family need where core has no node. Internal: only expansions use these."""

from __future__ import annotations

from typing import Annotated, Any

from weft.engine.schema.node import INTERNAL
from weft.engine.schema.sockets import Boolean, Float, Int, Socket
from weft.nodes.core.types import Image, Latent
from weft.nodes.efficiency.errors import BadScript
from weft.nodes.efficiency.face import node

Labels = Annotated[tuple[str, ...], Socket("LABELS")]


@node(class_type="weft.NoPicture", category=INTERNAL)
def NoPicture() -> Image:
    """The picture of a sampler that decodes nothing: one transparent pixel."""
    import torch

    return torch.zeros(1, 1, 1, 4)


@node(class_type="weft.ResizeTo", category=INTERNAL)
def ResizeTo(
    *,
    image: Image,
    original: Image,
    scale_by: Annotated[float, Float(default=1.0, min=0.01, max=8.0)],
) -> Image:
    """Bring a picture that a model enlarged to a multiple of the size it had before.

    Args:
        image: The enlarged picture.
        original: The picture before.
        scale_by: How many times its size.
    """
    from weft.nodes.diffusion.values.pixels import scale_image_by

    return scale_image_by(image, scale_by * original.shape[2] / image.shape[2], "nearest-exact")


@node(class_type="weft.CollectCells", category=INTERNAL)
def CollectCells(
    *,
    x_labels: Labels,
    y_labels: Labels,
    **cells: Any,
) -> tuple[Latent, Image]:
    """Put the cells of a plot into one batch, row by row.

    Inputs `latent_N` and `image_N` are those of cell N, counted from 0.

    Args:
        x_labels: One a column, for messages.
        y_labels: One a row.
    """
    import torch

    count = len(cells) // 2
    latents = [cells[f"latent_{i}"] for i in range(count)]
    images = [cells[f"image_{i}"] for i in range(count)]
    for i, image in enumerate(images):
        if image.shape != images[0].shape:
            column, row = i % max(len(x_labels), 1), i // max(len(x_labels), 1)
            labels = ", ".join([*x_labels[column : column + 1], *y_labels[row : row + 1]])
            sizes = f"{_size(image)} for {labels}, {_size(images[0])} for the first"
            raise BadScript(f"the cells of a plot must be of one size: {sizes}")
    collected: Latent = {"samples": torch.cat([latent["samples"] for latent in latents])}
    masks = [mask for latent in latents if (mask := latent.get("noise_mask")) is not None]
    if len(masks) == len(latents):
        collected["noise_mask"] = torch.cat(masks)
    return collected, torch.cat(images)


def _size(image: Any) -> str:
    return f"{image.shape[2]} x {image.shape[1]} pixels"


@node(class_type="weft.DrawPlot", category=INTERNAL, version=2)
def DrawPlot(
    *,
    images: Image,
    x_labels: Labels,
    y_labels: Labels,
    spacing: Annotated[int, Int(default=0, min=0, max=500)],
    vertical_labels: Annotated[bool, Boolean(default=False)],
) -> Image:
    """Draw the cells of a plot as a grid with labels.

    Args:
        images: The cells, row by row.
        x_labels: One a column; none where the plot has no X axis.
        y_labels: One a row.
        spacing: Pixels between cells.
        vertical_labels: Y labels are turned by a quarter.
    """
    from weft.nodes.diffusion.values.plot import draw_plot

    return draw_plot(images, list(x_labels), list(y_labels), spacing=spacing, vertical_labels=vertical_labels)
