"""`comfy.controlnet`: networks that steer others by a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weft.nodes.compat.host import context
from weft.nodes.core.loaders import place
from weft.nodes.diffusion.families.sd.adapter import T2IKind
from weft.nodes.diffusion.interop.control import ControlNetNames, GivenControl
from weft.nodes.diffusion.sampling import control as native


class _Controls(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, ControlNetNames | GivenControl | native.Control)


class ControlBase(metaclass=_Controls):
    """What a CONTROL_NET, and what a conditioning has under "control", are instances of."""


class ControlNet(ControlBase, metaclass=_Controls):
    """See ControlBase."""


class _Adapters(_Controls):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(getattr(getattr(instance, "net", instance), "kind", None), T2IKind)


class T2IAdapter(ControlBase, metaclass=_Adapters):
    """What a T2I adapter, and what a conditioning has of one under "control", are instances of."""


def load_controlnet(ckpt_path: str, model: Any = None, model_options: Mapping[str, Any] | None = None) -> Any:
    """The CONTROL_NET of a file. model: whose weights are added, where the file holds a difference."""
    where = place(context())
    return native.load_controlnet(
        Path(ckpt_path), device=where.memory, dtype=where.unet, base=model, warn=context().warn
    )
