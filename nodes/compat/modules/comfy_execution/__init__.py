"""`comfy_execution`: graphs, progress, and the node that is called."""
