"""What `weft explain` says to a person."""

from __future__ import annotations

import math
from collections.abc import Iterator

from weft.engine.terminal.streams import Line
from weft.engine.testing.explaining import DIFFERENT, EQUAL, KINDS, NO_PIXELS, RESIZED, Explanation
from weft.engine.testing.verdicts import number

_SHOWN = 20


def lines(found: Explanation) -> Iterator[Line]:
    """Both files, what their pixels are to each other, and why."""
    yield [(str(found.before.path), "bold"), f": {found.before.shown}"]
    yield [(str(found.now.path), "bold"), f": {found.now.shown}"]
    yield [(_headline(found), "bold red" if found.differs else "bold green")]
    showing = [reason for reason in found.reasons if reason.shows]
    if showing:
        said = "recorded differences, the most telling first:" if found.differs else "what differs and does not show:"
        yield [said]
    for place, reason in enumerate(showing[:_SHOWN], 1):
        yield [f"{place:4}. ", (KINDS[reason.kind], "bold"), f": {reason.text}"]
    if len(showing) > _SHOWN:
        yield [f"      and {len(showing) - _SHOWN} more"]
    if found.differs and not showing:
        yield ["nothing that is recorded differs: same workflow, seeds, models, sampling mode and version"]
        yield ["  ", found.advice]
    for reason in found.reasons:
        if not reason.shows:
            yield [("  without effect on pixels: ", "dim"), reason.text]


def _headline(found: Explanation) -> str:
    measures = found.measures
    if found.pixels == NO_PIXELS:
        return "the workflows differ" if found.differs else "the workflows would draw the same"
    if found.pixels == EQUAL:
        return "the pictures are the same, pixel for pixel"
    if found.pixels == RESIZED:
        (a, b), (c, d) = measures["sizes"]
        return f"the pictures differ in size: {a} x {b} and {c} x {d}"
    if found.pixels != DIFFERENT:
        return "the files differ; their pixels were not measured: one is damaged, or has more frames"
    return f"the pictures differ: {', '.join(_facts(found))}"


def _facts(found: Explanation) -> Iterator[str]:
    measures = found.measures
    if "channels" in measures:
        yield f"{measures['channels'][0]} and {measures['channels'][1]} channels"
    if math.isinf(measures["psnr"]):
        yield "equal in red, green and blue"
        return
    yield f"PSNR {number(measures['psnr'])} dB"
    if "ssim" in measures:
        yield f"SSIM {measures['ssim']:.3f}"
    share = measures["differing"] / measures["total"]
    yield f"by at most {round(255 * measures['max_abs'])} of 255, {share:.1%} of values"
    if "box" in measures:
        left, top, right, bottom = measures["box"]
        yield f"columns {left}-{right}, rows {top}-{bottom}"
