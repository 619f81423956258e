"""The server: the tools by the Model Context Protocol, over stdin and stdout."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from pydantic import ValidationError

from weft.engine.errors import WeftError
from weft.engine.mcp.desk import Desk
from weft.engine.mcp.tools import TOOLS, McpTool, ToolAnswer

INSTRUCTIONS = """Weft runs ComfyUI workflows without ComfyUI. To make one: new_workflow or search_nodes and \
describe_node, then write the graph in API format, {id: {"class_type": ..., "inputs": {name: value or [id, slot]}}}. \
validate says what keeps it from running, lint what runs and does not do what it says; mend both before run. \
Without models at hand, the checkpoint weft-tiny.safetensors (128x128) comes with Weft, and stand_ins tries a \
workflow without its files. Of two advanced samplers in a row the first ends where the second starts, with \
return_with_leftover_noise enable in the first and add_noise disable in the second."""

Context = ServerRequestContext[Any, Any]


def server_of(desk: Desk) -> Server[Any]:
    """The server of one root."""
    by_name = {tool.name: tool for tool in TOOLS}

    async def list_tools(context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(tool) for tool in TOOLS])

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = by_name.get(params.name)
        if tool is None:
            return _answer(ToolAnswer(f"there is no tool {params.name!r}: {', '.join(by_name)}", failed=True))
        try:
            asked = tool.arguments.model_validate(params.arguments or {})
            return _answer(await tool.act(desk, asked, _Progress(context).told))
        except ValidationError as error:
            return _answer(ToolAnswer("\n".join(_wrong(each) for each in error.errors(include_url=False)), failed=True))
        except WeftError as error:
            return _answer(ToolAnswer(str(error), error.to_json(), failed=True))
        except OSError as error:
            return _answer(ToolAnswer(f"{error.strerror}: {error.filename}", failed=True))

    return Server(
        "weft", version=version("weft"), instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool
    )


def serve(desk: Desk) -> None:
    """Answer until stdin ends."""

    async def main() -> None:
        server = server_of(desk)
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    anyio.run(main)


class _Progress:
    """Tells the client how far a run is: of all nodes that run, so many have finished, and a part of one."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._total = 0
        self._finished = 0
        self._last = 0.0

    async def told(self, event: Mapping[str, Any]) -> None:
        """Be told an event of the run."""
        match event["event"]:
            case "RunStarted":
                self._total = len(event["nodes"])
                await self._say(0.0, f"{self._total} nodes to run")
            case "NodeExpanded":
                self._total += len(event["nodes"])
            case "NodeStarted":
                await self._say(0.0, f"node {event['node_id']} {event['title']}")
            case "Progress":
                part = event["value"] / max(event["total"], 1)
                await self._say(part, f"node {event['node_id']}: {event['value']} of {event['total']}")
            case "NodeFinished":
                self._finished += 1
                await self._say(0.0, f"node {event['node_id']} finished")

    async def _say(self, part: float, message: str) -> None:
        # The protocol asks that it grows each time.
        now = max(self._finished + min(part, 0.999), self._last + 1e-6)
        self._last = now
        await self._context.session.report_progress(now, max(self._total, now), message)


def _described(tool: McpTool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.arguments.model_json_schema(),
        annotations=types.ToolAnnotations(read_only_hint=not tool.writes, open_world_hint=False),
    )


def _answer(told: ToolAnswer) -> types.CallToolResult:
    content: list[Any] = [types.TextContent(type="text", text=told.text)]
    for picture in told.pictures:
        data = base64.b64encode(picture.content).decode()
        content.append(types.ImageContent(type="image", data=data, mime_type=picture.kind))
    data_of = json.loads(json.dumps(dict(told.data), default=str)) or None
    return types.CallToolResult(content=content, structured_content=data_of, is_error=told.failed)


def _wrong(error: Any) -> str:
    where = ".".join(map(str, error["loc"])) or "arguments"
    return f"{where}: {error['msg']}"
