"""ComfyUI's API for nodes of V3: `comfy_api.latest`, and the versions that packs may name instead."""
