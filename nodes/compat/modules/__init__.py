"""ComfyUI's modules by their names, on Weft's own values: `weft.nodes.compat` says how one is added."""
