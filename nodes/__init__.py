"""The built-in nodes. `NODES` is the pack: class_type -> where its function stands; a file is imported when needed."""

from __future__ import annotations

_FILES = {
    "nodes.loaders": ("CheckpointLoaderSimple", "LoraLoader", "LoraLoaderModelOnly", "VAELoader"),
    "nodes.conditioning": ("CLIPSetLastLayer", "CLIPTextEncode"),
    "nodes.sampling": ("KSampler", "KSamplerAdvanced"),
    "nodes.latent": (
        "EmptyLatentImage",
        "LatentUpscale",
        "LatentUpscaleBy",
        "LoadLatent",
        "SaveLatent",
        "VAEDecode",
        "VAEEncode",
    ),
    "nodes.image": ("ImageInvert", "ImageScale", "ImageScaleBy", "LoadImage", "PreviewImage", "SaveImage"),
    "nodes.mask": ("LoadImageMask",),
    "nodes.text": ("PreviewAny",),
}

NODES: dict[str, str] = {
    class_type: f"{file}:{class_type}" for file, class_types in _FILES.items() for class_type in class_types
}
