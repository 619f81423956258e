"""The way of a camera, as Wan's camera control reads it: of each pixel of each frame the ray that it lies on.

Sources: VideoX-Fun (Apache-2.0), the rays and how frames are put together, after He et al. 2024, "CameraCtrl" (Pluecker
coordinates); AnimateDiff-Evolved (Apache-2.0) and MotionCtrl, how far the named ways go.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

FRAMES = 4
CHANNELS = 6 * FRAMES
# The pixels that the focal lengths are shares of.
WIDTH, HEIGHT = 1280, 720
DISTANCE, ANGLE = 1.5, math.pi / 3

# Where the camera goes in one clip at speed 1, in units of DISTANCE (x to the right, y down, z ahead), and how far it
# turns about its own axis, in units of ANGLE, clockwise for who looks through it.
WAYS: Mapping[str, tuple[tuple[float, float, float], float]] = {
    "Static": ((0.0, 0.0, 0.0), 0.0),
    "Pan Up": ((0.0, -1.0, 0.0), 0.0),
    "Pan Down": ((0.0, 1.0, 0.0), 0.0),
    "Pan Left": ((-1.0, 0.0, 0.0), 0.0),
    "Pan Right": ((1.0, 0.0, 0.0), 0.0),
    "Zoom In": ((0.0, 0.0, 2.0), 0.0),
    "Zoom Out": ((0.0, 0.0, -2.0), 0.0),
    "Anti Clockwise (ACW)": ((0.0, 0.0, 0.0), -1.0),
    "ClockWise (CW)": ((0.0, 0.0, 0.0), 1.0),
}


def poses(way: str, length: int, speed: float) -> tuple[Tensor, Tensor]:
    """Where a camera is in each frame [F,3], and how it is turned [F,3,3], seen from the first frame's."""
    to, turn = WAYS[way]
    share = torch.arange(length, dtype=torch.float64) / length * speed
    angle = share * (turn * ANGLE)
    turned = torch.eye(3, dtype=torch.float64).repeat(length, 1, 1)
    turned[:, 0, 0] = turned[:, 1, 1] = angle.cos()
    turned[:, 1, 0], turned[:, 0, 1] = angle.sin(), -angle.sin()
    return share[:, None] * DISTANCE * torch.tensor(to, dtype=torch.float64), turned


def rays(place: Tensor, turned: Tensor, width: int, height: int, lens: tuple[float, float, float, float]) -> Tensor:
    """The rays of all pixels, [F,6,H,W]: place x direction, and direction.

    lens: fx, fy, of a picture of WIDTH x HEIGHT, and cx, cy, in shares of the width and the height.
    """
    fx, fy, cx, cy = lens
    # Of another aspect the picture is cut, not stretched.
    if width / height < WIDTH / HEIGHT:
        fx *= height * WIDTH / HEIGHT / width
    else:
        fy *= width * HEIGHT / WIDTH / height
    rows, columns = (torch.arange(side, dtype=torch.float32) + 0.5 for side in (height, width))
    x = ((columns - cx * width) / (fx * width)).expand(height, width)
    y = ((rows - cy * height) / (fy * height))[:, None].expand(height, width)
    ahead = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    ahead = ahead / ahead.norm(dim=-1, keepdim=True)
    direction = torch.einsum("hwi,fji->fhwj", ahead, turned.float())
    moment = torch.linalg.cross(place.float()[:, None, None].expand_as(direction), direction)
    return torch.cat([moment, direction], dim=-1).movedim(-1, 1)


def embedding(
    way: str, width: int, height: int, length: int, speed: float, lens: tuple[float, float, float, float]
) -> Tensor:
    """The rays of a clip, as models take them: [1,24,T,H,W], the first frame four times, then four an element.

    Channels are the six of a ray, each of four frames.
    """
    made = rays(*poses(way, length, speed), width, height, lens)
    frames = torch.cat([made[:1].expand(FRAMES - 1, -1, -1, -1), made])
    elements = len(frames) // FRAMES
    return (
        frames[: elements * FRAMES]
        .reshape(elements, FRAMES, 6, height, width)
        .permute(2, 1, 0, 3, 4)
        .reshape(1, CHANNELS, elements, height, width)
    )
