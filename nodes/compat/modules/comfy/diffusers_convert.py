"""`comfy.diffusers_convert`: to be imported; what it converts Weft reads as it is."""
