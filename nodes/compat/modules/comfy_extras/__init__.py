"""`comfy_extras`: a module that has no file here has those of its classes that Weft has; see finder.py."""
