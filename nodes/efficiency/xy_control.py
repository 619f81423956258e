"""Axes of a control net's settings for an XY plot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.schema.authoring import Output
from weft.engine.schema.sockets import Combo, Float
from weft.nodes.efficiency.axes.control import SETTINGS
from weft.nodes.efficiency.axes.inputs import AxisInput, chosen, chosen_pair
from weft.nodes.efficiency.axes.ramps import axis, float_ramp
from weft.nodes.efficiency.face import node
from weft.nodes.efficiency.stackers import ControlNetLink, ImageLink, Percent, Strength
from weft.nodes.efficiency.values import ControlNetStackValue, ControlNetUse, XYValue
from weft.nodes.efficiency.xy_inputs import CATEGORY, Axis, BatchCount

Start = Annotated[float, Float(default=0.0, **Percent)]
End = Annotated[float, Float(default=1.0, **Percent)]

_KINDS = {setting: kind for kind, setting in SETTINGS.items()}
_SHORT = {kind.removeprefix("ControlNet"): kind for kind in SETTINGS}
_PAIRS = {f"X: {x}, Y: {y}": (_SHORT[x], _SHORT[y]) for x in _SHORT for y in _SHORT if x != y}


def _other_ends(constants: Mapping[str, Any]) -> frozenset[str]:
    chosen = constants.get("target_parameter")
    others = [name for name in _KINDS if name != chosen] if chosen in _KINDS else []
    return frozenset(f"{end}_{name}" for name in others for end in ("first", "last"))


@node(class_type="XY Input: Control Net", category=CATEGORY, unused=_other_ends)
def ControlNetAxis(
    *,
    control_net: ControlNetLink,
    image: ImageLink,
    target_parameter: Annotated[str, Combo(tuple(_KINDS))],
    batch_count: BatchCount,
    first_strength: Annotated[float, Float(default=0.0, min=0.0, max=10.0, step=0.01)],
    last_strength: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)],
    first_start_percent: Start,
    last_start_percent: End,
    first_end_percent: Start,
    last_end_percent: End,
    strength: Strength,
    start_percent: Start,
    end_percent: End,
    cnet_stack: ControlNetStackValue = (),
) -> Axis:
    """Vary one setting of a control net.

    Args:
        control_net: The network that reads the picture.
        image: The picture, prepared as the network expects it.
        target_parameter: The setting; only its own first and last value count.
        batch_count: How many values, at equal distances.
        first_strength: The first strength.
        last_strength: The last.
        first_start_percent: The first start.
        last_start_percent: The last.
        first_end_percent: The first end.
        last_end_percent: The last.
        strength: How much it steers, where that is not varied.
        start_percent: Where it begins to steer, where that is not varied.
        end_percent: Where it ends, where that is not varied.
        cnet_stack: Control nets that every cell has too.
    """
    ends = {
        "strength": (first_strength, last_strength),
        "start_percent": (first_start_percent, last_start_percent),
        "end_percent": (first_end_percent, last_end_percent),
    }[target_parameter]
    use = ControlNetUse(control_net, image, strength, start_percent, end_percent)
    values = float_ramp(*ends, batch_count)
    return _axis(_KINDS[target_parameter], use, values, cnet_stack)


@node(class_type="XY Input: Control Net Plot", category=CATEGORY)
def ControlNetPlot(
    *,
    control_net: ControlNetLink,
    image: ImageLink,
    plot_type: Annotated[str, Combo(tuple(_PAIRS))],
    strength: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)],
    start_percent: Start,
    end_percent: End,
    X_batch_count: BatchCount,
    X_first_value: Annotated[float, Float(default=0.0, min=0.0, max=10.0, step=0.01)],
    X_last_value: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)],
    Y_batch_count: BatchCount,
    Y_first_value: Annotated[float, Float(default=0.0, min=0.0, max=10.0, step=0.01)],
    Y_last_value: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)],
    cnet_stack: ControlNetStackValue = (),
) -> tuple[Annotated[XYValue, Output("X")] | None, Annotated[XYValue, Output("Y")] | None]:
    """Vary two settings of a control net, one on each axis.

    Args:
        control_net: The network that reads the picture.
        image: The picture, prepared as the network expects it.
        plot_type: What X and Y vary; the start and the end of its steering are at most 1.
        strength: How much it steers, where neither axis varies that.
        start_percent: Where it begins to steer, where neither axis varies that.
        end_percent: Where it ends, where neither axis varies that.
        X_batch_count: How many values X has, at equal distances.
        X_first_value: X's first.
        X_last_value: X's last.
        Y_batch_count: How many values Y has.
        Y_first_value: Y's first.
        Y_last_value: Y's last.
        cnet_stack: Control nets that every cell has too.
    """
    use = ControlNetUse(control_net, image, strength, start_percent, end_percent)
    x_kind, y_kind = _PAIRS[plot_type]
    x = _ramp(x_kind, X_first_value, X_last_value, X_batch_count)
    y = _ramp(y_kind, Y_first_value, Y_last_value, Y_batch_count)
    return _axis(x_kind, use, x, cnet_stack), _axis(y_kind, use, y, cnet_stack)


def _ramp(kind: str, first: float, last: float, count: int) -> list[float]:
    most = 10.0 if kind == "ControlNetStrength" else 1.0
    return float_ramp(min(first, most), min(last, most), count)


def _axis(kind: str, use: ControlNetUse, values: list[float], stack: Any) -> XYValue | None:
    """The control net with each value of the setting that the kind varies, in front of the stack."""
    changes: list[dict[str, Any]] = [{SETTINGS[kind]: value} for value in values]
    return axis(kind, [(use._replace(**change), *(stack or ())) for change in changes])


INPUTS = {
    "XY Input: Control Net": AxisInput(chosen("target_parameter", _KINDS)),
    "XY Input: Control Net Plot": AxisInput(chosen_pair("plot_type", _PAIRS)),
}
"""What their widgets show of the axis, by class_type."""
