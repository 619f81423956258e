"""What computes, as far as the numbers of the built-in nodes depend on it: facts that stand in front of cache keys.

Nothing is imported that a run would not import: on the CPU, whether by name or since this build of torch knows nothing
else, torch stays out. Only a build for GPUs must be asked what it finds here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from weft.engine.errors import UsageError
from weft.engine.settings import Settings, another_device

LIBRARIES = ("torch", "diffusers", "transformers", "tokenizers", "torchsde", "numpy", "scipy", "pillow", "kornia")
"""Whose version may change the numbers."""

_NETWORKS = ("unet", "text", "vae")


def environment(settings: Settings) -> Mapping[str, str]:
    """The kind of the device, the number formats, what it is called where it is a GPU, and the libraries' versions."""
    return _facts(settings.device, settings.dtype)


@cache
def _facts(device: str, dtype: str) -> Mapping[str, str]:
    facts = {name: version_of(name) for name in LIBRARIES}
    gpu = _gpu(device, dtype) if device != "cpu" and works_on_gpus() else {}
    kind = "cpu" if device == "auto" else device.partition(":")[0]
    return {"device": kind, **_formats(dtype), **gpu, **facts}


def _formats(dtype: str) -> dict[str, str]:
    """As `resolve_dtype` for the CPU, which computes everything, and float16 in no VAE."""
    name = "float32" if dtype == "auto" else dtype
    formats = dict.fromkeys(_NETWORKS, name)
    return formats if name != "float16" else {**formats, "vae": "float32"}


def _gpu(device: str, dtype: str) -> dict[str, str]:
    """The same of a GPU, and its name; nothing where there is none, or where it cannot do what is asked for."""
    import torch

    from weft.nodes.diffusion.errors import DeviceError
    from weft.nodes.diffusion.weights.memory import resolve_device, resolve_dtype

    try:
        place = resolve_device(device)
        formats = {kind: str(resolve_dtype(dtype, place, kind)).removeprefix("torch.") for kind in _NETWORKS}
    except DeviceError:
        return {}
    return {**formats, "device": place.type, "gpu": torch.cuda.get_device_name(place)} if place.type != "cpu" else {}


def require_device(settings: Settings) -> None:
    """Raise UsageError for a GPU that is asked for by name and is not there."""
    if settings.device.startswith("cuda"):
        from weft.nodes.diffusion.errors import DeviceError
        from weft.nodes.diffusion.weights.memory import resolve_device

        try:
            resolve_device(settings.device)
        except DeviceError as error:
            raise UsageError(str(error), hint=another_device(settings)) from error


def version_of(library: str) -> str:
    """The version of an installed library; empty where there is none."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def works_on_gpus() -> bool:
    """Whether torch is built for GPUs: a file of it says so, and it need not be imported for that."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    try:
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return True  # it must be asked
    built = re.findall(r"^(?:cuda|hip)\b[^=\n]*=\s*(\S+)", text, re.MULTILINE)
    return any(each != "None" for each in built) or not built
