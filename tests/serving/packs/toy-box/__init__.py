"""A pack as its author writes it for ComfyUI: a node for each thing that an engine must get right."""

from . import flowing, growing, plain, strange, waiting

NODE_CLASS_MAPPINGS = {
    **plain.NODES,
    **flowing.NODES,
    **growing.NODES,
    **strange.NODES,
    **waiting.NODES,
}
NODE_DISPLAY_NAME_MAPPINGS = {"StubImage": "Stub Image"}
