"""ComfyUI's package `comfy.ldm.modules`."""
