"""`comfyui_version`: the ComfyUI whose numbers and names Weft has."""

__version__ = "0.3.64"
