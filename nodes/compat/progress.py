"""Progress that packs report, by whichever of ComfyUI's ways, told to the run of the node that is called."""

from __future__ import annotations

from typing import Any

from weft.engine.context import RunContext, called


def report(value: float, total: float, preview: Any = None, whose: RunContext | None = None) -> None:
    """Say that `value` of `total` is done. Raises Interrupted where the run is to stop.

    `preview` is ComfyUI's (format, PIL image, most pixels a side), a PIL image, or pixels [H,W,C] or [1,H,W,C] in 0..1.
    Outside of a node, and in a thread that a node started by itself, it is of the node that `whose` is the context of,
    if that is known; else nobody is told.
    """
    context = called() or whose
    if context is None:
        return
    done, whole = _counted(value, total)
    context.progress(done, whole, picture(preview) if context.observers else None)


def picture(preview: Any) -> Any:
    """The PIL image that a preview is; None where there is none."""
    if isinstance(preview, tuple):
        preview = preview[1] if len(preview) > 1 else None
    if preview is None or hasattr(preview, "save"):
        return preview
    from PIL import Image

    from weft.nodes.diffusion.values.pixels import to_uint8

    pixels = preview[0] if preview.ndim == 4 else preview
    return Image.fromarray(to_uint8(pixels[None, ..., :3])[0].numpy())


_PARTS = 1000


def _counted(value: float, total: float) -> tuple[int, int]:
    """Both as whole numbers: a share is told in thousandths."""
    if float(value).is_integer() and float(total).is_integer():
        return int(value), int(total)
    return (round(value / total * _PARTS) if total else 0), _PARTS
