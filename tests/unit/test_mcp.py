"""`weft mcp`: what a client may ask, what it is told, what stays out of its reach, and nothing else on the wire."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from PIL import Image

from weft.cli import main
from weft.engine.errors import OutsideFolder, UsageError
from weft.engine.mcp.confinement import Root
from weft.engine.mcp.desk import Desk
from weft.engine.mcp.server import server_of
from weft.engine.mcp.tools import TOOLS

SRC = Path(__file__).resolve().parents[2] / "src"


def environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "OMP_NUM_THREADS") if name in os.environ}
    return {**kept, "PYTHONPATH": str(SRC), "XDG_CACHE_HOME": str(folder / "cache"), "XDG_RUNTIME_DIR": str(folder)}


def stage(start: int, end: int, latent: list[Any], positive: str) -> dict[str, Any]:
    """A stage of 4 steps, as a program writes it that knows what is to be linked to what."""
    return {
        "model": ["1", 0], "positive": [positive, 0], "negative": ["4", 0], "latent_image": latent,
        "add_noise": "disable" if start else "enable", "noise_seed": 7, "steps": 4, "cfg": 2.0,
        "sampler_name": "euler", "scheduler": "karras", "start_at_step": start, "end_at_step": end,
        "return_with_leftover_noise": "disable" if end > 4 else "enable",
    }  # fmt: skip


def graph(start: int) -> dict[str, Any]:
    """Two stages, of which the first ends at step 2."""
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "weft-tiny.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "red apple", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "red rabbit", "clip": ["1", 1]}},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["1", 1]}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "6": {"class_type": "KSamplerAdvanced", "inputs": stage(0, 2, ["5", 0], "2")},
        "7": {"class_type": "KSamplerAdvanced", "inputs": stage(start, 10_000, ["6", 0], "3")},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["7", 0], "vae": ["1", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}},
    }


def talk(folder: Path, act: Callable[[Any], Awaitable[None]]) -> None:
    """Talk to a server of this folder, in this process; its commands are processes all the same."""

    async def main() -> None:
        desk = Desk(
            Root(folder), run_options=(f"--output={folder / 'output'}",), environment=environment(folder.parent)
        )
        with anyio.fail_after(300):
            async with Client(server_of(desk)) as client:
                await act(client)

    anyio.run(main)


def text(result: Any) -> str:
    return "\n".join(part.text for part in result.content if part.type == "text")


def picture(result: Any) -> Image.Image:
    [shown] = [part for part in result.content if part.type == "image"]
    return Image.open(io.BytesIO(base64.b64decode(shown.data)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    return tmp_path / "root"


def test_every_tool_says_what_it_is_and_what_it_takes(root: Path) -> None:
    async def act(client: Any) -> None:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == [tool.name for tool in TOOLS]
        for tool in tools:
            assert tool.description
            assert tool.input_schema["additionalProperties"] is False
        assert {tool.name for tool in tools if not tool.annotations.read_only_hint} == {"run", "save_workflow"}

    talk(root, act)


def test_a_gap_is_found_and_mended(root: Path) -> None:
    async def act(client: Any) -> None:
        found = await client.call_tool("search_nodes", {"query": "advanced sampler", "limit": 3})
        assert "KSamplerAdvanced" in [node["class_type"] for node in found.structured_content["nodes"]]
        told = await client.call_tool("validate", {"workflow": graph(3)})
        assert told.structured_content["status"] == "valid"
        assert "warning at 7 start_at_step: S101" in text(told)
        told = await client.call_tool("validate", {"workflow": graph(2), "changes": {"7.steps": 0}})
        assert (told.is_error, told.structured_content["issues"][0]["input"]) == (False, "steps")
        told = await client.call_tool("diff", {"before": graph(3), "after": graph(2)})
        assert "start_at_step: 3 -> 2" in text(told)
        assert (await client.call_tool("save_workflow", {"path": "a/x.json", "workflow": graph(2)})).is_error is False
        assert json.loads((root / "a" / "x.json").read_text()) == graph(2)
        told = await client.call_tool("lint", {"workflow": "a/x.json"})
        assert "1 clean" in text(told)

    talk(root, act)


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("validate", {"workflow": "../secret.png"}, "leaves the root"),
        ("validate", {"workflow": "/etc/passwd"}, "leaves the root"),
        ("validate", {"workflow": "link.json"}, "leaves the root"),
        ("run", {"workflow": {"1": {"class_type": "LoadImage", "inputs": {"image": "../secret.png"}}}}, "outside of"),
        ("run", {"workflow": {"1": {"class_type": "X", "inputs": {"a": {"b": ["/etc/passwd"]}}}}}, "outside of"),
        ("run", {"workflow": graph(2), "changes": {"9.filename_prefix": "/etc/passwd"}}, "outside of"),
        ("plan", {"workflow": "inside.json"}, "outside of"),
        ("save_workflow", {"path": "../x.json", "workflow": {"1": {"class_type": "X"}}}, "leaves the root"),
        ("save_workflow", {"path": "weft.toml", "workflow": {"1": {"class_type": "X"}}}, "no name of a workflow"),
        ("save_workflow", {"path": "x.json", "workflow": {"a": 1}}, "expected a node"),
        ("save_workflow", {"path": "inside.json", "workflow": {"1": {"class_type": "X"}}}, "there already"),
        ("view", {"path": "../secret.png"}, "leaves the root"),
        ("view", {"path": "inside.json"}, "is no picture"),
        ("validate", {"workflow": "absent.json"}, "cannot read"),
        ("validate", {"workflw": "x"}, "workflow: Field required"),
        ("validate", {"workflow": graph(2), "changes": {"1.x": ["a"]}}, "expected a text, a number or a boolean"),
        ("delete", {}, "there is no tool 'delete'"),
    ],
)  # fmt: skip
def test_what_leaves_the_root_or_makes_no_sense_is_refused(
    tool: str, arguments: dict[str, Any], message: str, root: Path
) -> None:
    (root / "link.json").symlink_to("../secret.png")
    (root / "inside.json").write_text(
        json.dumps({"1": {"class_type": "LoadImage", "inputs": {"image": str(root.parent / "secret.png")}}})
    )
    before = sorted(root.parent.rglob("*"))

    async def act(client: Any) -> None:
        told = await client.call_tool(tool, arguments)
        assert told.is_error
        assert message in text(told)

    talk(root, act)
    assert [file for file in sorted(root.parent.rglob("*")) if file.suffix != ".sqlite"] == before


def test_texts_that_are_no_paths_pass(root: Path) -> None:
    place = Root(root, [root.parent / "models"])
    (root.parent / "models").mkdir()
    place.check(["a red apple", "/imagine a cat", "../nothing", "~nobody/x", "x" * 100_000, "\0", "a\n/etc/passwd", ""])
    place.check({"a": [str(root.parent / "models")], "b": 7})
    with pytest.raises(OutsideFolder):
        place.path("\0")
    with pytest.raises(UsageError):
        Root(root / "absent")


def test_on_the_wire_is_nothing_but_the_protocol(root: Path) -> None:
    """A raw session: every line that comes out is a message, whatever packs print."""
    (root / "mine.py").write_text("print('printed by a pack')\nNODE_CLASS_MAPPINGS = {}\n")
    opening = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    asked = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_templates", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 3, "method": "no/such"},
    ]
    command = [sys.executable, "-m", "weft", "mcp", "--root", str(root), "--nodes", str(root / "mine.py")]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(root.parent), cwd=root,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("".join(json.dumps(each) + "\n" for each in asked))
    process.stdin.flush()
    answers = [json.loads(process.stdout.readline()) for _ in range(3)]
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, ""), err
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    found = {answer["id"]: answer for answer in answers}
    assert found[1]["result"]["serverInfo"]["name"] == "weft"
    assert "prompt-switch" in found[2]["result"]["structuredContent"]["templates"]
    assert found[3]["error"]["code"] == -32601


@pytest.mark.slow
def test_a_client_does_a_whole_task(root: Path) -> None:
    """Find nodes, write a two-stage graph, be told of its gap, mend it, run it, look at the picture."""
    command = ["-m", "weft", "mcp", "--root", str(root), "--device", "cpu"]
    server = StdioServerParameters(command=sys.executable, args=command, env=environment(root.parent))
    told: list[tuple[float, str | None]] = []

    async def progress(value: float, total: float | None, message: str | None) -> None:
        told.append((value, message))

    async def act() -> None:
        with anyio.fail_after(300):
            async with Client(stdio_client(server)) as client:
                found = await client.call_tool("search_nodes", {"query": "advanced sampler"})
                names = [node["class_type"] for node in found.structured_content["nodes"]]
                page = await client.call_tool("describe_node", {"class_type": names[names.index("KSamplerAdvanced")]})
                assert "start_at_step" in text(page)
                findings = await client.call_tool("lint", {"workflow": graph(3)})
                assert "S101" in text(findings) and "start_at_step 2" in text(findings)
                assert "1 clean" in text(await client.call_tool("lint", {"workflow": graph(2)}))
                assert picture(await client.call_tool("render", {"workflow": graph(2)})).width > 300
                ran = await client.call_tool("run", {"workflow": graph(2)}, progress_callback=progress)
                assert not ran.is_error, text(ran)
                assert ran.structured_content["files"] == ["output/x_00001_.png"]
                assert picture(ran).size == (64, 64)
                seen = await client.call_tool("view", {"path": "output/x_00001_.png"})
                assert picture(seen).size == (64, 64)

    anyio.run(act)
    assert [value for value, _ in told] == sorted({value for value, _ in told})
    assert any(message and "of 2" in message for _, message in told)


@pytest.mark.slow
def test_a_run_that_is_cancelled_ends_and_leaves_nothing(root: Path) -> None:
    async def act(client: Any) -> None:
        begun = anyio.Event()

        async def progress(value: float, total: float | None, message: str | None) -> None:
            if message and " of " in message:
                begun.set()

        async def run() -> None:
            changes = {"6.steps": 10_000, "6.end_at_step": 10_000}
            await client.call_tool("run", {"workflow": graph(2), "changes": changes}, progress_callback=progress)

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await begun.wait()
            group.cancel_scope.cancel()
        for _ in range(300):
            if not _runs(root):
                return
            await anyio.sleep(0.1)
        raise AssertionError("the run goes on")

    talk(root, act)
    assert not list((root / "output").glob("*")) if (root / "output").exists() else True


def _runs(root: Path) -> bool:
    """Whether a command of a server of this root is running."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes()
        except OSError:
            continue
        if b"--events" in words and str(root).encode() in words:
            return True
    return False


def test_without_its_package_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    assert main(["mcp"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(" (pip install 'weft[mcp]')\n")
