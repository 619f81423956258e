"""`io`: what V3 classes are made of, under the names that packs use."""

from __future__ import annotations

from typing import Any

from weft.nodes.compat.missing import absent
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    ComfyType as ComfyType,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    ComfyTypeI as ComfyTypeI,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    ComfyTypeIO as ComfyTypeIO,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    ControlAfterGenerate as ControlAfterGenerate,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    Custom as Custom,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    DynamicInput as DynamicInput,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    DynamicOutput as DynamicOutput,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    FolderType as FolderType,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    Input as Input,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    NumberDisplay as NumberDisplay,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    Output as Output,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    RemoteOptions as RemoteOptions,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    UploadType as UploadType,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    WidgetInput as WidgetInput,
)
from weft.nodes.compat.modules.comfy_api.latest._declared import (
    comfytype as comfytype,
)
from weft.nodes.compat.modules.comfy_api.latest._dynamic import (
    Autogrow as Autogrow,
)
from weft.nodes.compat.modules.comfy_api.latest._dynamic import (
    DynamicCombo as DynamicCombo,
)
from weft.nodes.compat.modules.comfy_api.latest._dynamic import (
    DynamicSlot as DynamicSlot,
)
from weft.nodes.compat.modules.comfy_api.latest._dynamic import (
    MatchType as MatchType,
)
from weft.nodes.compat.modules.comfy_api.latest._dynamic import (
    MultiType as MultiType,
)
from weft.nodes.compat.modules.comfy_api.latest._node import ComfyNode as ComfyNode
from weft.nodes.compat.modules.comfy_api.latest._schema import (
    Hidden as Hidden,
)
from weft.nodes.compat.modules.comfy_api.latest._schema import (
    HiddenHolder as HiddenHolder,
)
from weft.nodes.compat.modules.comfy_api.latest._schema import (
    NodeOutput as NodeOutput,
)
from weft.nodes.compat.modules.comfy_api.latest._schema import (
    NodeReplace as NodeReplace,
)
from weft.nodes.compat.modules.comfy_api.latest._schema import (
    PriceBadge as PriceBadge,
)
from weft.nodes.compat.modules.comfy_api.latest._schema import (
    PriceBadgeDepends as PriceBadgeDepends,
)
from weft.nodes.compat.modules.comfy_api.latest._schema import (
    Schema as Schema,
)
from weft.nodes.compat.modules.comfy_api.latest._types import *  # noqa: F403


def __getattr__(name: str) -> Any:
    return absent("comfy_api.latest.io", name)


__all__ = [name for name in globals() if name == "comfytype" or (name[0].isupper() and name != "Any")]
