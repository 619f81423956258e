"""`comfy.hooks`: to be imported; packs that put hooks on weights by time are told that they are not carried."""
