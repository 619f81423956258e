"""Axes that are written by hand, and axes that are joined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.folders import Folders
from weft.engine.schema.sockets import Combo, String
from weft.nodes.efficiency.axes.inputs import AxisInput, Widgets
from weft.nodes.efficiency.axes.manual import MANUAL_KINDS, folder_named, parse_axis
from weft.nodes.efficiency.axes.ramps import axis
from weft.nodes.efficiency.axes.table import KINDS
from weft.nodes.efficiency.face import node
from weft.nodes.efficiency.values import XYValue
from weft.nodes.efficiency.xy_inputs import CATEGORY, Axis

HELP = """Entries stand between semicolons; line breaks mean nothing.

Seeds++ Batch: how many seeds, 1 to 50                  3
Steps, StartStep, EndStep: whole numbers                10;15;20
CFG Scale, Denoise: numbers                             7.0;7.5;8.0
Sampler: a name, or a name and a scheduler              euler;dpmpp_2m,karras
Scheduler: a name                                       normal;karras
VAE: a file                                             vae.safetensors;other.safetensors
Positive, Negative Prompt S/R: search;replacement;...   cat;dog;bird
Checkpoint: a file, or a file and a clip skip           model.safetensors;other.safetensors,-2
Clip Skip: whole numbers, -24 to -1                     -1;-2;-3
LoRA: a file[, model strength[, clip strength]]         a.safetensors;b.safetensors,0.5;c.safetensors,0.5,0.8

A last entry that begins with a comma gives what the others leave out: euler;heun;,karras"""


def _files(folders: Folders, constants: Mapping[str, Any]) -> list[str]:
    folder = folder_named(constants.get("plot_type", ""))
    return list(folders.files(folder)) if folder else []


@node(class_type="XY Input: Manual XY Entry", category=CATEGORY, fingerprint=_files)
def ManualEntry(
    *,
    plot_type: Annotated[str, Combo(MANUAL_KINDS)],
    plot_value: Annotated[str, String(default="", multiline=True)],
    context: RunContext,
) -> Axis:
    """Write an axis by hand; Manual XY Entry Info says how.

    Args:
        plot_type: What is varied.
        plot_value: The values, with semicolons between; with values that make no sense there is no axis, and a warning.
    """
    try:
        return parse_axis(plot_type, plot_value, context.folders.files)
    except ValueError as error:
        context.warn(f"{plot_type}: {error}; there is no axis")
        return None


@node(class_type="Manual XY Entry Info", category=CATEGORY)
def ManualEntryInfo(*, notes: Annotated[str, String(default=HELP, multiline=True)]) -> None:
    """How a Manual XY Entry is written.

    Args:
        notes: The text to read.
    """


@node(class_type="Join XY Inputs of Same Type", category=CATEGORY)
def JoinAxes(*, XY_1: XYValue, XY_2: XYValue, context: RunContext) -> Axis:
    """One axis behind another of the same type. Seeds are numbered on; the search text is the first one's.

    Args:
        XY_1: The first values; with values of another type than the others' there is no axis, and a warning.
        XY_2: Those that follow.
    """
    if XY_1 is None or XY_2 is None:
        return XY_1 or XY_2
    if XY_1.kind != XY_2.kind:
        context.warn(f"an axis of {XY_1.kind} and one of {XY_2.kind} cannot be joined; there is no axis")
        return None
    return axis(XY_1.kind, KINDS[XY_1.kind].joined(XY_1.values, XY_2.values))


def _makes_no_sense(given: Widgets, slot: int) -> bool:
    """Which files there are is not known here."""
    kind, text = given.get("plot_type"), given.get("plot_value")
    if kind not in MANUAL_KINDS or folder_named(kind) or not isinstance(text, str):
        return False
    try:
        parse_axis(kind, text, lambda _: ())
    except ValueError:
        return True
    return False


INPUTS = {"XY Input: Manual XY Entry": AxisInput(lambda given, slot: given.get("plot_type"), _makes_no_sense)}
"""What their widgets show of the axis, by class_type."""
