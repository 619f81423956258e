"""ComfyUI's package `comfy.ldm`: its networks, which Weft has not, and their attention."""
