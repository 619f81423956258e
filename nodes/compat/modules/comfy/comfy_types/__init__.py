"""`comfy.comfy_types`: the types of V1 by name, and those of functions that are put on a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypedDict

from weft.nodes.compat.modules.comfy.comfy_types.node_typing import IO as IO
from weft.nodes.compat.modules.comfy.comfy_types.node_typing import CheckLazyMixin as CheckLazyMixin
from weft.nodes.compat.modules.comfy.comfy_types.node_typing import ComfyNodeABC as ComfyNodeABC
from weft.nodes.compat.modules.comfy.comfy_types.node_typing import FileLocator as FileLocator
from weft.nodes.compat.modules.comfy.comfy_types.node_typing import InputTypeDict as InputTypeDict
from weft.nodes.compat.modules.comfy.comfy_types.node_typing import InputTypeOptions as InputTypeOptions


class UnetApplyFunction(Protocol):
    """The network: `apply(x, t, **c)`."""

    def __call__(self, x: Any, t: Any, **kwargs: Any) -> Any:
        """What the network makes of x at the time t."""


class UnetApplyConds(TypedDict, total=False):
    """What the network reads beside the latent."""

    c_concat: Any
    c_crossattn: Any
    control: Any
    transformer_options: dict[str, Any] | None


class UnetParams(TypedDict):
    """What a function that wraps the network is told."""

    input: Any
    timestep: Any
    c: UnetApplyConds
    cond_or_uncond: list[int]


UnetWrapperFunction = Callable[[UnetApplyFunction, UnetParams], Any]
