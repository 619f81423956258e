"""Axes of one setting of a control net; two of them decide two settings of the same one."""

from __future__ import annotations

from weft.nodes.efficiency.axes.kind import AxisKind, Cell, Share, number
from weft.nodes.efficiency.values import ControlNetStack

SETTINGS = {"ControlNetStrength": "strength", "ControlNetStart%": "start_percent", "ControlNetEnd%": "end_percent"}
"""The setting that each kind varies: a field of ControlNetUse."""


def _control_nets(cell: Cell, value: ControlNetStack) -> None:
    cell.control_nets = value


def _kind(name: str, setting: str) -> AxisKind:
    def merged(x: ControlNetStack, y: ControlNetStack) -> ControlNetStack:
        """Those of the X axis, but the first one has what the Y axis decides."""
        return (x[0]._replace(**{setting: getattr(y[0], setting)}), *x[1:])

    return AxisKind(
        name,
        label=lambda value, seed: f"{name}: {number(getattr(value[0], setting))}",
        apply=_control_nets,
        stale=frozenset({"prompts"}),
        share=Share(of="control net", merged=merged),
    )


KINDS = tuple(_kind(name, setting) for name, setting in SETTINGS.items())
