"""What the browser does with ComfyUI's own nodes and with those of packs that many workflows have.

The packs are known by their saves alone: their nodes in the browser, not those on the server.
"""

from __future__ import annotations

from typing import Any

from weft.engine.schema.frontend import Frontend, Handling, Layout, NodeKind, Virtual
from weft.nodes.efficiency.saves import CLASSES
from weft.nodes.thirdparty.saves import CLASSES as THIRDPARTY

_NOTES = (
    "Note (pysssss)", "Note Plus (mtb)", "PixaromaNote", "PixaromaLabel",
    "Label (rgthree)", "Bookmark (rgthree)", "Fast Muter (rgthree)", "Fast Bypasser (rgthree)",
    "Fast Groups Muter (rgthree)", "Fast Groups Bypasser (rgthree)", "Fast Actions Button (rgthree)",
    "Mute / Bypass Relay (rgthree)", "Mute / Bypass Repeater (rgthree)", "Random Unmuter (rgthree)",
    "Node Collector (rgthree)", "Node Combiner (rgthree)",
)  # fmt: skip

_VIRTUAL = {
    **dict.fromkeys(_NOTES, Virtual(NodeKind.NOTE)),
    "Reroute (rgthree)": Virtual(NodeKind.REROUTE),
    "SetNode": Virtual(NodeKind.SETTER),
    "GetNode": Virtual(NodeKind.GETTER),
    "easy setNode": Virtual(NodeKind.SETTER),
    "easy getNode": Virtual(NodeKind.GETTER),
    "Anything Everywhere": Virtual(NodeKind.BROADCAST),
    "Anything Everywhere3": Virtual(NodeKind.BROADCAST),
    "Anything Everywhere?": Virtual(NodeKind.BROADCAST, priority=10),
    "Prompts Everywhere": Virtual(
        NodeKind.BROADCAST, (r"(_|\b)pos(itive|_|\b)|^prompt|正面", r"(_|\b)neg(ative|_|\b)|负面"), priority=5
    ),
    "Seed Everywhere": Virtual(NodeKind.PRIMITIVE, ("seed|随机种",), priority=5, on_servers=True),
}

_RENAMED = {
    "T2IAdapterLoader": "ControlNetLoader",
    "ConditioningAverage ": "ConditioningAverage",
    "SDV_img2vid_Conditioning": "SVD_img2vid_Conditioning",
}

# CheckpointSave is not one of them.
_FILE_NAMERS = (
    "SaveImage", "SaveAnimatedWEBP", "SaveAnimatedPNG", "SaveWEBM", "SaveVideo", "SaveSVGNode", "SaveGLB",
    "SaveAudio", "SaveAudioMP3", "SaveAudioOpus",
    "CLIPSave", "VAESave", "ModelSave", "LoraSave", "SaveLatent",
)  # fmt: skip


# What their widgets show, texts to choose from, the sides of a box once more.
_KEEP_MORE = ("CustomCombo", "GetImageSize", "ImageCompare", "ImageCropV2", "Painter", "PreviewAny")


def _without_sample_prefix(layout: Layout, saved: list[Any]) -> list[Any]:
    """Samplers were once called `sample_euler`."""
    at = next((at for at, slot in enumerate(layout) if slot.spec.name == "sampler_name"), len(layout))
    if at < len(saved) and isinstance(saved[at], str) and saved[at].startswith("sample_"):
        return [*saved[:at], saved[at].removeprefix("sample_"), *saved[at + 1 :]]
    return saved


def _without_newer(layout: Layout, saved: list[Any]) -> list[Any]:
    """Newer classes have widgets more: where they hold what they begin with, they change nothing."""
    added = saved[len(layout) :]
    return saved[: len(layout)] if all(value in ("auto", 8, "sRGB", "none") for value in added) else saved


FRONTEND = Frontend(
    virtual=_VIRTUAL,
    renamed=_RENAMED,
    classes={
        **dict.fromkeys(_FILE_NAMERS, Handling(fills_in=True)),
        **dict.fromkeys(("KSampler", "KSamplerAdvanced"), Handling((_without_sample_prefix,))),
        "CreateVideo": Handling((_without_newer,)),
        "SaveVideo": Handling((_without_newer,), fills_in=True),
        **dict.fromkeys(_KEEP_MORE, Handling(keeps_more=True)),
        **CLASSES,
        **THIRDPARTY,
    },
)
