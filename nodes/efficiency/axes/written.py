"""The axes of a plot in the workflow as it is written: what is wrong with them is told before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from weft.engine.schema.node import Seen
from weft.nodes.efficiency import xy_control, xy_inputs, xy_manual, xy_models
from weft.nodes.efficiency.axes.rules import plot_problems, sampler_problems
from weft.nodes.efficiency.axes.table import KINDS
from weft.nodes.efficiency.values import NOTHING

INPUTS = xy_inputs.INPUTS | xy_models.INPUTS | xy_control.INPUTS | xy_manual.INPUTS

# Classes that pass on what they are given, and the input that they are given it by.
_PASSED_ON = {
    "Noise Control Script": "script",
    "HighRes-Fix Script": "script",
    "Tiled Upscaler Script": "script",
    "Join XY Inputs of Same Type": "XY_1",
}
_FAR = 100  # so many of them in a row; a workflow may have a circle, which another check tells


def check_plot(seen: Seen) -> Iterator[tuple[str, str]]:
    """For `@node(check=...)` of XY Plot."""
    yield from plot_problems(_kind(seen, "X"), _kind(seen, "Y"), seen.source("dependencies") is not None)


def check_sampler(seen: Seen) -> Iterator[tuple[str, str]]:
    """For `@node(check=...)` of the samplers: what a plot at the start of the script asks for."""
    script = _origin(seen, "script")
    if script is None or script.class_type != "XY Plot":
        return
    x, y = _kind(script, "X"), _kind(script, "Y")
    for _, message in sampler_problems(seen.class_type, x, y):
        yield "script", message
    if (x, y) != (NOTHING.kind, NOTHING.kind) and seen.source("optional_vae") is None:
        yield "optional_vae", "an XY Plot shows decoded pictures: connect a VAE"


def _origin(seen: Seen, name: str) -> Seen | None:
    """What an input is linked to, seen through the nodes that pass it on."""
    source = seen.source(name)
    for _ in range(_FAR):
        if source is None or source.class_type not in _PASSED_ON:
            break
        source = source.source(_PASSED_ON[source.class_type])
    return source


def _kind(plot: Seen, name: str) -> str:
    """The kind of an axis as far as the workflow shows it, else Nothing."""
    source = _origin(plot, name)
    if source is None or source.class_type not in INPUTS:
        return NOTHING.kind
    kind = INPUTS[source.class_type].kind_of(source.constants, source.slot)
    return kind if kind in KINDS else NOTHING.kind
