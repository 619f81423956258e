"""A pack of V3, as one for ComfyUI is written: it knows nothing of Weft."""

from comfy_api.latest import ComfyAPI, ComfyExtension, io

from .flow import FLOW
from .inputs import INPUTS
from .outputs import OUTPUTS
from .testing import TESTING

api = ComfyAPI()
LOADED = []


class Extension(ComfyExtension):
    async def on_load(self) -> None:
        LOADED.append(True)
        await api.node_replacement.register(io.NodeReplace(new_node_id="V3Sum", old_node_id="V3OldSum"))

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [*INPUTS, *FLOW, *OUTPUTS, *TESTING]


async def comfy_entrypoint() -> Extension:
    return Extension()
