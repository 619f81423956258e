"""ComfyUI's package `comfy`."""
