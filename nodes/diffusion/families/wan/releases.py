"""The models of Wan that are published, as their files are called. Without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class WanRelease(NamedTuple):
    """title: how people call it. names: what is in the name of a file of it, each an expression, in lower case."""

    title: str
    names: tuple[str, ...] = ()


_OF_21 = r"2[._]1"
# The particular before the general.
RELEASES: Mapping[str, WanRelease] = {
    "wan_vace": WanRelease("Wan VACE", ("vace",)),
    "wan_ti2v_control": WanRelease("Wan 2.2 5B Fun control", ("5b", "fun", "control")),
    "wan_ti2v_inpaint": WanRelease("Wan 2.2 5B Fun inpaint", ("5b", "fun")),
    "wan_ti2v": WanRelease("Wan 2.2 5B", (r"ti2v|5b|wan2\.2_vae",)),
    "wan21_camera": WanRelease("Wan 2.1 Fun camera", (_OF_21, "fun", "camera")),
    "wan_camera": WanRelease("Wan Fun camera", ("fun", "camera")),
    "wan21_control": WanRelease("Wan 2.1 Fun control", (_OF_21, "fun", "control")),
    "wan_control": WanRelease("Wan Fun control", ("fun", "control")),
    "wan21_flf2v": WanRelease("Wan 2.1 first-last-frame", (_OF_21, "flf2v")),
    "wan21_i2v": WanRelease("Wan 2.1 image-to-video", (rf"{_OF_21}|chrono|wan-?move", "i2v|fun|chrono|move")),
    "wan_i2v": WanRelease("Wan image-to-video", ("i2v|flf2v|fun",)),
    "wan": WanRelease("Wan"),
}


def release_meant(name: str) -> str:
    """The release that a file of Wan is of by its name."""
    name = name.lower()
    return next(key for key, each in RELEASES.items() if all(re.search(part, name) for part in each.names))
