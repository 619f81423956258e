"""A pack that adds routes, and speaks to the browser."""

from comfy_execution.utils import get_executing_context
from server import PromptServer

server = PromptServer.instance
web = __import__("aiohttp.web").web


@server.routes.get("/routed/{name}")
async def routed(request):
    return web.json_response({"name": request.match_info["name"]})


@server.routes.post("/routed/fails")
async def fails(request):
    raise RuntimeError("a secret")


class Says:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"default": ""})}, "hidden": {"me": "UNIQUE_ID"}}

    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "say"
    CATEGORY = "toys"

    def say(self, text, me):
        server.send_sync("toys.said", {"text": text, "prompt": get_executing_context().prompt_id}, server.client_id)
        server.send_progress_text(text, me)
        return {"ui": {"text": [text]}}


NODE_CLASS_MAPPINGS = {"TestSays": Says}
