"""The XY Plot: two axes become a script."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import UniqueId
from weft.engine.schema.sockets import Combo, Int
from weft.nodes.efficiency.axes.rules import plot_problems
from weft.nodes.efficiency.axes.table import KINDS
from weft.nodes.efficiency.axes.written import check_plot
from weft.nodes.efficiency.errors import BadScript
from weft.nodes.efficiency.face import node
from weft.nodes.efficiency.values import NOTHING, XY, DependenciesValue, Script, ScriptValue, XYPlot, XYValue

CATEGORY = "Efficiency Nodes/Scripts"


@node(class_type="XY Plot", category=CATEGORY, check=check_plot)
def XyPlot(
    *,
    grid_spacing: Annotated[int, Int(default=0, min=0, max=500, step=5)],
    XY_flip: Annotated[str, Combo(("False", "True"))],
    Y_label_orientation: Annotated[str, Combo(("Horizontal", "Vertical"))],
    cache_models: Annotated[str, Combo(("True", "False"))],
    ksampler_output_image: Annotated[str, Combo(("Images", "Plot"))],
    dependencies: DependenciesValue | None = None,
    X: XYValue | None = None,
    Y: XYValue | None = None,
    my_unique_id: UniqueId,
    context: RunContext,
) -> ScriptValue | None:
    """Let a sampler draw every value of one axis against every value of the other.

    Args:
        grid_spacing: Pixels between the pictures.
        XY_flip: Whether the axes change places.
        Y_label_orientation: How the labels at the left are written.
        cache_models: Nothing here: what cells share is computed once in any case.
        ksampler_output_image: What the sampler's IMAGE is: the pictures, or the plot.
        dependencies: What the loader knows; axes that load or encode anew need it.
        X: The axis that runs to the right.
        Y: The axis that runs down.
    """
    x, y = X or NOTHING, Y or NOTHING
    if x.kind == y.kind == NOTHING.kind:
        context.warn("no axis has values: the sampler runs without a plot")
        return None
    problems = [message for _, message in plot_problems(x.kind, y.kind, dependencies is not None)]
    if problems:
        raise BadScript("; ".join(problems))
    x, y = _without_what_the_other_decides(x, y), _without_what_the_other_decides(y, x)
    if XY_flip == "True":
        x, y = y, x
    plot = XYPlot(
        x=x,
        y=y,
        spacing=grid_spacing,
        label_orientation=Y_label_orientation,
        cache_models=cache_models == "True",
        plot_as_output=ksampler_output_image == "Plot",
        dependencies=dependencies,
    )
    return Script(xyplot=plot)


def _without_what_the_other_decides(axis: XY, other: XY) -> XY:
    """Samplers without their schedulers beside an axis of schedulers, and the like."""
    left = KINDS[axis.kind].beside.get(other.kind)
    return axis if left is None else XY(axis.kind, tuple(map(left, axis.values)))
