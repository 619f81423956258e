"""A pack with something for the editor."""

WEB_DIRECTORY = "./web"
NODE_CLASS_MAPPINGS = {}
