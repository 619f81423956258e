"""Where a camera stands: the words and the numbers of ComfyUI's documentation of the node."""

from __future__ import annotations

import math

import pytest

from weft.nodes.core.camera_angle import CameraAngle


@pytest.mark.parametrize(
    ("around", "up", "zoom", "words"),
    [
        (0, 0, 5.0, "front view eye-level shot medium shot"),
        (333, 17, 5.0, "front-left quarter view elevated shot medium shot"),
        (22, -15, 1.9, "front view eye-level shot wide shot"),
        (23, -16, 2.0, "front-right quarter view low-angle shot medium shot"),
        (90, 15, 6.0, "right side view elevated shot close-up"),
        (135, 44, 0.0, "back-right quarter view elevated shot wide shot"),
        (180, 45, 5.9, "back view high-angle shot medium shot"),
        (225, 60, 10.0, "back-left quarter view high-angle shot close-up"),
        (270, -30, 3.0, "left side view low-angle shot medium shot"),
        (338, 0, 3.0, "front view eye-level shot medium shot"),
        (360, 0, 3.0, "front view eye-level shot medium shot"),
        (999, 99, 99.0, "front view high-angle shot close-up"),
    ],
)
def test_words(around: int, up: int, zoom: float, words: str) -> None:
    assert CameraAngle(horizontal_angle=around, vertical_angle=up, zoom=zoom)[1] == words


def test_where_the_camera_stands() -> None:
    """Six units from the subject, at whose right side x grows, and y upwards."""
    camera, _ = CameraAngle(horizontal_angle=90, vertical_angle=30, zoom=10.0)
    x, y, z = (camera["position"][axis] for axis in "xyz")
    assert (x, y, z) == pytest.approx((6 * math.cos(math.pi / 6), 3.0, 0.0))
    assert (camera["zoom"], camera["fov"], camera["cameraType"]) == (1.875, 35.0, "perspective")
    assert camera["target"] == {"x": 0.0, "y": 0.0, "z": 0.0}
    assert CameraAngle(horizontal_angle=0, vertical_angle=0, zoom=0.0)[0]["zoom"] == 1.0
