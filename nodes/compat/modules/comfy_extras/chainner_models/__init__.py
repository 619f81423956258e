"""ComfyUI's package `comfy_extras.chainner_models`: upscalers."""
