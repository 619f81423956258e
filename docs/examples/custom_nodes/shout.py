"""A pack as ComfyUI has them, in one file: `weft nodes Shout --custom-nodes docs/examples/custom_nodes`."""


class Shout:
    """A text in capitals."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "shout"
    CATEGORY = "text"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"default": "quiet", "multiline": True})}}

    def shout(self, text):
        return (text.upper(),)


NODE_CLASS_MAPPINGS = {"Shout": Shout}
NODE_DISPLAY_NAME_MAPPINGS = {"Shout": "Shout a text"}
