"""Where a camera stands, said in words for a prompt and in numbers for what draws in three dimensions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Float, Int, Socket, String
from weft.nodes.core.types import NEWER, Image

Camera = Annotated[Mapping[str, Any], Socket("LOAD3D_CAMERA")]
"""{"position", "target": {"x", "y", "z"} with y up, "zoom", "cameraType", "fov": degrees}."""

_SIDES = (
    *("front view", "front-right quarter view", "right side view", "back-right quarter view"),
    *("back view", "back-left quarter view", "left side view", "front-left quarter view"),
)
"""Each in the middle of an eighth of the way around, from the front on."""

# What is said below each number; the last of all the rest.
_HEIGHTS = ((-15, "low-angle shot"), (15, "eye-level shot"), (45, "elevated shot"), (math.inf, "high-angle shot"))
_DISTANCES = ((2, "wide shot"), (6, "medium shot"), (math.inf, "close-up"))
_AROUND, _UP, _ZOOM = (0, 360), (-30, 60), (0.0, 10.0)
_AWAY, _FIELD = 6.0, 35.0
_NEARER = 0.875
"""How much more than 1 the lens enlarges at the end of the zoom."""


@node(display_name="Compose Camera Angle Prompt", category="3d", python_module=NEWER)
def CameraAngle(
    *,
    horizontal_angle: Annotated[int, Int(default=0, min=0, max=360)],
    vertical_angle: Annotated[int, Int(default=0, min=-30, max=60)],
    zoom: Annotated[float, Float(default=5.0, min=0.0, max=10.0, step=0.1)],
    image: Image | None = None,
) -> tuple[Annotated[Camera, Output("camera_info")], Annotated[str, String(), Output("prompt")]]:
    """Say from where a subject is seen, as LoRAs of angles read it: "front view eye-level shot medium shot".

    Args:
        horizontal_angle: Degrees around the subject: 0 is before it, 90 at its right side, 180 behind it.
        vertical_angle: Degrees up; below 0 the camera looks up.
        zoom: 0 shows much around the subject, 10 little.
        image: What the editor shows on the subject; nothing here reads it.
    """
    around, up = _within(horizontal_angle, _AROUND), _within(vertical_angle, _UP)
    nearer = _within(zoom, _ZOOM)
    return _camera(around, up, nearer), f"{_side(around)} {_said(up, _HEIGHTS)} {_said(nearer, _DISTANCES)}"


def _within(value: float, ends: tuple[float, float]) -> float:
    return min(max(value, ends[0]), ends[1])


def _side(around: float) -> str:
    eighth = 360 / len(_SIDES)
    return _SIDES[int((around + eighth / 2) // eighth) % len(_SIDES)]


def _said(value: float, names: tuple[tuple[float, str], ...]) -> str:
    return next(name for end, name in names if value < end)


def _camera(around: float, up: float, zoom: float) -> dict[str, Any]:
    turned, raised = math.radians(around), math.radians(up)
    flat = _AWAY * math.cos(raised)
    position = flat * math.sin(turned), _AWAY * math.sin(raised), flat * math.cos(turned)
    return {
        "position": dict(zip("xyz", position, strict=True)),
        "target": {"x": 0.0, "y": 0.0, "z": 0.0},
        "zoom": 1.0 + zoom / _ZOOM[1] * _NEARER,
        "cameraType": "perspective",
        "fov": _FIELD,
    }
