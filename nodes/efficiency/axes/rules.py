"""Which axes go together, and which a sampler has a use for: efficiency.md sections 5.1 and 5.2.

The rules are applied twice: to the workflow as it is written, as far as the kinds show there (`written`), and to the
values when they are known.
"""

from __future__ import annotations

from collections.abc import Iterator

from weft.nodes.efficiency.axes.kind import SAMPLERS
from weft.nodes.efficiency.axes.table import KINDS
from weft.nodes.efficiency.errors import BadScript
from weft.nodes.efficiency.values import XYPlot


def plot_problems(x: str, y: str, has_dependencies: bool) -> Iterator[tuple[str, str]]:
    """(`X` or `Y`, message) for each reason why these two kinds make no plot."""
    if x == y and not KINDS[x].both:
        yield "Y", f"both axes vary {x}: connect another type, or join the two with Join XY Inputs of Same Type"
    for name, kind in (("X", x), ("Y", y)):
        if KINDS[kind].stale and not has_dependencies:
            yield name, f"the {name} axis varies {kind}: connect the loader's DEPENDENCIES to the XY Plot"
    for name, kind, other in (("X", x, y), ("Y", y, x)):
        share = KINDS[kind].share
        if share is not None and share.halved and KINDS[other].share != share:
            yield name, f"the {name} axis varies {kind}, {share.halved}"
    decided = sorted(KINDS[x].decides & KINDS[y].decides)
    if x != y and decided:
        yield "Y", f"the axes vary {x} and {y}, which both decide the {' and '.join(decided)}"


def sampler_problems(class_type: str, x: str, y: str) -> Iterator[tuple[str, str]]:
    """(`X` or `Y`, message) for each axis that this sampler cannot vary."""
    for name, kind in (("X", x), ("Y", y)):
        if class_type not in KINDS[kind].samplers:
            others = " and ".join(other for other in SAMPLERS if other in KINDS[kind].samplers)
            yield name, f"the {name} axis of the XY Plot varies {kind}, which is not for {class_type} but for {others}"


def check_axes(class_type: str, plot: XYPlot) -> None:
    """Raise BadScript naming axis and reason where the sampler cannot draw this plot."""
    problems = [message for _, message in sampler_problems(class_type, plot.x.kind, plot.y.kind)]
    if problems:
        raise BadScript("; ".join(problems))
