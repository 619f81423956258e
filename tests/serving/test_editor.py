"""ComfyUI's own editor and the status page in a real browser; where the browser and `weft[browser]` are installed."""

from __future__ import annotations

import json
import os
import shutil
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from weft.engine.errors import UsageError
from weft.engine.serving.editor import PACKAGE, editor_folder

from .talk import Client, served, session_of

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EXPECTED = (
    "user.css",
    "/api/userdata",
    "sentry.io",
    "ERR_NAME_NOT_RESOLVED",
    "ERR_ABORTED",
    "ERR_INTERNET_DISCONNECTED",
)
"""What the editor asks for and may not be there: files that the user has not made, pictures of templates, its maker."""
PATIENCE = 120.0
SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""The folder for pictures of the pages, for docs/images."""


def test_the_editor_is_a_folder_with_a_page(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no index.html"):
        editor_folder(tmp_path)
    (tmp_path / "index.html").write_text("<title>an editor</title>")
    (tmp_path / "more.js").write_text("1")
    assert editor_folder(tmp_path) == tmp_path
    with served(tmp_path / "server", front_end=tmp_path) as running, Client(running.address) as client:
        assert client.ask("GET", "/").body == b"<title>an editor</title>"
        assert client.ask("GET", "/more.js").status == 200
        assert client.ask("GET", "/%2e%2e/secret").status == 404
        assert client.ask("GET", "/queue").json == {"queue_running": [], "queue_pending": []}


def test_without_an_editor_there_is_the_status_page(alone: Client) -> None:
    assert b"<title>Weft</title>" in alone.ask("GET", "/").body


def test_the_editor_is_told_where_models_are(alone: Client) -> None:
    kinds = {each["name"]: each["folders"] for each in alone.get("/experiment/models")}
    assert kinds == alone.get("/internal/folder_paths")
    assert all(Path(place).name == "checkpoints" for place in kinds["checkpoints"])
    files = alone.get("/experiment/models/checkpoints")
    assert [file["name"] for file in files] == alone.get("/models/checkpoints")
    assert all(file["size"] > 0 and file["pathIndex"] < len(kinds["checkpoints"]) for file in files)
    assert alone.ask("GET", "/experiment/models/none").status == 404


if CHROMIUM and find_spec("playwright") and find_spec(PACKAGE):

    @pytest.fixture
    def page(tmp_path: Path) -> Iterator[Any]:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            options = ["--no-sandbox", "--disable-gpu"]
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
            yield browser.new_page(viewport={"width": 1400, "height": 900})
            browser.close()

    def heard(page: Any) -> list[str]:
        """What the page's console says of errors, as it comes."""
        said: list[str] = []
        page.on("console", lambda each: said.append(f"{each.text} {each.location}") if each.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        return said

    def pictures(folder: Path, name: str) -> str:
        """Where a picture of the page is to be kept, if somebody wants to look at it."""
        return str(Path(SCREENSHOTS or folder) / f"{name}.png")

    def asked(address: str, body: Any = None) -> Any:
        """A route's answer. The browser's driver has this thread's loop: Client would need it."""
        request = urllib.request.Request(address, None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    @pytest.mark.slow
    def test_the_editor_draws_a_picture(page: Any, tmp_path: Path) -> None:
        session = session_of(tmp_path, models=(ROOT / "workflows" / "models",))
        workflow = json.loads((ROOT / "workflows" / "prompt_switch.json").read_text())
        with served(tmp_path, session=session, front_end=editor_folder()) as running:
            said = heard(page)
            page.goto(running.address)
            page.wait_for_function("window.app && window.app.graph && window.app.canvas", timeout=PATIENCE * 1000)
            page.evaluate("given => window.app.loadGraphData(given)", workflow)
            page.keyboard.press("Escape")  # the editor's greeting
            page.evaluate(
                "for (const kind of ['progress', 'b_preview'])"
                " window.app.api.addEventListener(kind, () => { window[kind] = true; })"
            )
            page.evaluate("window.app.queuePrompt(0)")
            page.wait_for_function("window.progress && window.b_preview", timeout=PATIENCE * 1000)
            deadline = time.monotonic() + PATIENCE
            while not (history := asked(f"{running.address}/history")) and time.monotonic() < deadline:
                page.wait_for_timeout(200)
            [entry] = history.values()
            assert entry["status"]["status_str"] == "success"
            page.wait_for_function(
                "window.app.graph.nodes.some(node => node.imgs && node.imgs.length)", timeout=PATIENCE * 1000
            )
            page.wait_for_timeout(1000)
            page.screenshot(path=pictures(tmp_path, "editor"))
            assert "\n".join(each for each in said if not any(known in each for known in EXPECTED)) == ""

    @pytest.mark.slow
    def test_the_status_page_shows_a_run(page: Any, tmp_path: Path) -> None:
        session = session_of(tmp_path, models=(ROOT / "workflows" / "models",))
        workflow = json.loads((ROOT / "workflows" / "prompt_sweep.json").read_text())
        with served(tmp_path, session=session) as running:
            said = heard(page)
            page.goto(f"{running.address}/weft")
            asked(f"{running.address}/prompt", {"prompt": workflow})
            page.wait_for_selector("#graph .node.done", timeout=PATIENCE * 1000)
            page.wait_for_selector("#graph .node.runs", timeout=PATIENCE * 1000)
            page.wait_for_selector("#preview:not([hidden])", timeout=PATIENCE * 1000)
            page.wait_for_timeout(1500)
            page.screenshot(path=pictures(tmp_path, "status"))
            page.click("#stop")
            page.wait_for_selector("#ended li", timeout=PATIENCE * 1000)
            assert "interrupted" in page.inner_text("#ended")
            assert said == []
