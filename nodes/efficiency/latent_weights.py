"""Where the weights of the learned latent upscalers come from, and which file is meant. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weft.engine.errors import MissingFile
from weft.engine.folders import Folders
from weft.nodes.efficiency.errors import BadScript

FOLDER = "latent_upscale_models"
SOURCE = "https://huggingface.co/city96/SD-Latent-Upscaler"
FACTORS = (1.25, 1.5, 2.0)
# By the name in HighRes-Fix Script.
FAMILIES = {"city96.v1": "SDv1", "city96.xl": "SDxl"}
_INSTEAD = f"Weft has no network for it; choose {' or '.join(FAMILIES)}, or a method without weights, such as bislerp"
UNSUPPORTED: Mapping[str, str] = dict.fromkeys(("ttl_nn.SDXL", "ttl_nn.SD 1.x"), _INSTEAD)
LEARNED_UPSCALERS = (*FAMILIES, *UNSUPPORTED)


def nearest_factor(factor: float) -> float:
    """The factor that a network was trained for which is closest."""
    return min(FACTORS, key=lambda known: abs(known - factor))


def find_weights(folders: Folders, upscaler: str, factor: float) -> Path:
    """The file of an upscaler for a factor of FACTORS, under the name that it is published under.

    Raises:
        BadScript: an upscaler that is not supported. MissingFile: it is not there; the hint says what to put where.
    """
    if upscaler not in FAMILIES:
        raise BadScript(f"the latent upscaler {upscaler!r} is not supported: {_INSTEAD}")
    name = f"latent-upscaler-v2.1_{FAMILIES[upscaler]}-x{factor}.safetensors"
    try:
        return folders.find(FOLDER, name)
    except MissingFile as missing:
        places = " or ".join(map(str, folders.folders(FOLDER)))
        hint = f"fetch it from {SOURCE} and put it into {places}"
        raise MissingFile(f"the weights of {upscaler} for x{factor}, {name!r}, are not there", hint=hint) from missing


def fingerprint(folders: Folders, constants: Mapping[str, Any]) -> list[Any]:
    """The file that stands for these inputs, if there is one, for the key of the cache."""
    try:
        return [find_weights(folders, constants["upscaler"], nearest_factor(constants["scale_by"]))]
    except (BadScript, KeyError, MissingFile):
        return []
