"""`comfy_api.latest`: io, ui, ComfyExtension, ComfyAPI, and the values that nodes of V3 pass on."""

from __future__ import annotations

from weft.nodes.compat.modules.comfy_api.latest import _input as Input
from weft.nodes.compat.modules.comfy_api.latest import _input_impl as InputImpl
from weft.nodes.compat.modules.comfy_api.latest import _io as io
from weft.nodes.compat.modules.comfy_api.latest import _ui as ui
from weft.nodes.compat.modules.comfy_api.latest import _util as Types
from weft.nodes.compat.modules.comfy_api.latest._runtime import ComfyAPI, ComfyAPISync, ComfyExtension

IO, UI = io, ui
ComfyAPI_latest = ComfyAPI
ComfyAPISyncStub = ComfyAPISync

__all__ = ["IO", "UI", "ComfyAPI", "ComfyAPISync", "ComfyExtension", "Input", "InputImpl", "Types", "io", "ui"]
