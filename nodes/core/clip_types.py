"""What text encoders are loaded for, by ComfyUI's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from weft.nodes.diffusion.families import FAMILIES

SINGLE: Final = (
    "stable_diffusion",
    "stable_cascade",
    "sd3",
    "stable_audio",
    "mochi",
    "ltxv",
    "pixart",
    "cosmos",
    "lumina2",
    "wan",
    "hidream",
    "chroma",
    "ace",
    "omnigen2",
    "qwen_image",
    "hunyuan_image",
    "flux2",
    "flux3",
)
"""The choices of CLIPLoader."""
DUAL: Final = ("sdxl", "sd3", "flux", "hunyuan_video", "hidream", "hunyuan_image")
"""The choices of DualCLIPLoader."""

# The names of those that no family here opens; the newer ones are no choices of the version whose classes these are.
_TITLES: Final[Mapping[str, str]] = {
    "stable_cascade": "Stable Cascade",
    "stable_audio": "Stable Audio",
    "mochi": "Mochi",
    "ltxv": "LTX-Video",
    "pixart": "PixArt",
    "cosmos": "Cosmos",
    "hidream": "HiDream",
    "chroma": "Chroma",
    "ace": "ACE-Step",
    "omnigen2": "OmniGen2",
    "hunyuan_image": "HunyuanImage",
    "hunyuan_video": "HunyuanVideo",
    "hunyuan_video_15": "HunyuanVideo 1.5",
    "kandinsky5": "Kandinsky 5",
    "kandinsky5_image": "Kandinsky 5",
    "longcat_image": "LongCat-Image",
    "ovis": "Ovis-Image",
    "newbie": "NewBie",
    "cogvideox": "CogVideoX",
}


def unsupported(types: Sequence[str]) -> dict[str, str]:
    """For Combo(unsupported=...): every type that no family opens, and for which models it is."""
    opened = [name for family in FAMILIES for name in family.clip_types]
    known = ", ".join(name for name in types if name in opened)
    return {
        name: f"it is for {title}, which Weft does not run yet; of the types of text encoders it opens {known}"
        for name, title in _TITLES.items()
        if name not in opened
    }
