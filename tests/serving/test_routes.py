"""What each route answers, as the recorded transcript of ComfyUI has it, and what a server must refuse."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from weft.engine.serving import listing, templates

from .talk import Client, Running, graph, image, served, session_of

STEPS = {"steps": 400, "delay": 0.005}


def errors(answer: Any) -> tuple[str, str, dict[str, Any]]:
    assert answer.status == 400
    found = answer.json
    return found["error"]["type"], found["error"]["details"], found["node_errors"]


def test_what_is_wrong_with_a_prompt_is_said_in_comfyuis_words(alone: Client) -> None:
    ask = alone.ask
    assert errors(ask("POST", "/prompt", {}))[0] == "no_prompt"
    assert errors(alone.post({}))[0] == "prompt_no_outputs"
    assert errors(alone.post({"1": {"inputs": {}}}))[:2] == ("invalid_prompt", "Node ID '#1'")
    assert errors(alone.post(graph(a=("NoSuchNode", {}))))[0] == "invalid_prompt"
    assert errors(alone.post(graph(a=("StubInt", {"value": 1}))))[0] == "prompt_no_outputs"
    missing = errors(alone.post(graph(i=("StubInt", {}), out=("TestLooks", {"value": "@i"}))))
    assert missing[:2] == ("prompt_outputs_failed_validation", "")
    error = {"type": "required_input_missing", "message": "Required input is missing", "details": "value"}
    [found] = missing[2]["i"]["errors"]
    assert {name: found[name] for name in error} == error
    assert found["extra_info"]["input_name"] == "value"
    assert missing[2]["i"]["dependent_outputs"] == ["out"]
    assert missing[2]["i"]["class_type"] == "StubInt"
    prompt = graph(one=image(width=0), a=("PreviewImage", {"images": "@one"}), b=("PreviewImage", {"images": ["one"]}))
    _, details, found = errors(alone.post(prompt))
    assert details.startswith("Bad linked input, must be a length-2 list of [node_id, slot_index]: images")
    assert found["one"]["errors"][0]["message"] == "Value 0 smaller than min of 1"
    assert found["one"]["errors"][0]["extra_info"]["input_config"][1]["min"] == 1
    given = {"input1": 7.0, "input2": 1.0}
    said = errors(alone.post(graph(c=("TestCustomValidation5", given), out=("PreviewImage", {"images": "@c"}))))[2]["c"]
    assert [each["details"] for each in said["errors"]] == [
        "input1 - 7s are not allowed. I've never liked 7s.",
        "input2 - 7s are not allowed. I've never liked 7s.",
    ]


@pytest.mark.parametrize("body", [b"hello", b"[]", b"", b"\xff", b'{"prompt": ' + b"[" * 5000, b'{"prompt": {"1": 5}}'])
def test_a_body_that_is_no_prompt_is_refused(alone: Client, body: bytes) -> None:
    assert _raw(alone, body) == 400


def _raw(client: Client, body: bytes, path: str = "/prompt", headers: Any = None) -> int:
    async def ask() -> int:
        async with client._session.post(client.address + path, data=body, headers=headers) as response:
            return response.status

    return client._do(ask())


def test_the_frames_of_a_run_come_in_comfyuis_order(alone: Client) -> None:
    ran = alone.run(graph(i=("StubInt", {"value": 41}), out=("TestLooks", {"value": "@i"})))
    found = [(each["type"], each["data"].get("node")) for each in ran.frames if each["type"] != "status"]
    assert found == [
        ("execution_start", None), ("execution_cached", None),
        ("progress_state", None), ("executing", "i"), ("progress_state", None),
        ("progress_state", None), ("executing", "out"), ("executed", "out"), ("progress_state", None),
        ("execution_success", None), ("executing", None),
    ]  # fmt: skip
    counts = [each["data"]["status"]["exec_info"]["queue_remaining"] for each in ran.frames if each["type"] == "status"]
    assert counts == [1, 1, 0]
    assert ran.frames[-2]["type"] == "status"
    assert [kind for kind, _ in ran.entry["status"]["messages"]] == [
        "execution_start", "execution_cached", "execution_success",
    ]  # fmt: skip
    [state] = [each["data"]["nodes"] for each in ran.frames if each["type"] == "progress_state"][:1]
    assert state["i"] == {
        "value": 0.0, "max": 1.0, "state": "running", "node_id": "i", "prompt_id": ran.answer["prompt_id"],
        "display_node_id": "i", "parent_node_id": None, "real_node_id": "i",
    }  # fmt: skip


def test_flags_decide_what_pictures_and_progress_are(one: Running) -> None:
    prompt = graph(s=("TestSteps", {"steps": 2, "delay": 0.001}), out=("TestLooks", {"value": "@s"}))
    with Client(one.address) as plain:
        assert plain.first == {
            "type": "status",
            "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": plain.client_id},
        }
        frames = plain.run(prompt).frames
        pictures = [each for each in frames if each["type"] == "binary 1"]
        assert [each["form"] for each in pictures] == [1, 1]
        assert Image.open(io.BytesIO(pictures[0]["image"])).size == (512, 256)
        last = [each["data"]["nodes"] for each in frames if each["type"] == "progress_state"][-1]
        assert set(last) == {"s", "out"}
        kinds = [each["type"] for each in frames]
        assert kinds[kinds.index("progress") :][:3] == ["progress", "binary 1", "progress_state"]
    with Client(one.address, flags={"supports_preview_metadata": True, "supports_progress_changes": True}) as able:
        assert able.next()["data"] == {"supports_preview_metadata": True, "max_upload_size": 104857600}
        frames = able.run(prompt).frames
        pictures = [each for each in frames if each["type"] == "binary 4"]
        assert [each["metadata"]["node_id"] for each in pictures] == ["s", "s"]
        assert pictures[0]["metadata"]["image_type"] == "image/jpeg"
        kinds = [each["type"] for each in frames]
        assert kinds[kinds.index("binary 4") :][:3] == ["binary 4", "progress", "progress_state"]
        assert all(len(each["data"]["nodes"]) == 1 for each in frames if each["type"] == "progress_state")


def test_nobody_hears_of_anothers_prompt(one: Running) -> None:
    with Client(one.address) as mine, Client(one.address) as other:
        prompt_id = mine.run(graph(i=("StubInt", {"value": 42}), out=("TestLooks", {"value": "@i"}))).answer[
            "prompt_id"
        ]
        other_id = other.run(graph(i=("StubInt", {"value": 43}), out=("TestLooks", {"value": "@i"}))).answer[
            "prompt_id"
        ]
        assert prompt_id != other_id
        mine.ask("POST", "/queue", {"clear": True})
        frames = []
        ran = mine.run(graph(i=("StubInt", {"value": 44}), out=("TestLooks", {"value": "@i"})))
        frames += ran.frames
        ids = {each["data"].get("prompt_id") for each in frames} - {None}
        assert ids == {ran.answer["prompt_id"]}


def test_nobody_hears_that_anothers_prompt_is_stopped(one: Running) -> None:
    with Client(one.address) as mine, Client(one.address) as other:
        prompt_id = mine.post(graph(s=("TestSteps", STEPS), out=("TestLooks", {"value": "@s"}))).json["prompt_id"]
        _until(lambda: mine.get("/queue")["queue_running"])
        mine.ask("POST", "/interrupt", {"prompt_id": prompt_id})
        assert "execution_interrupted" in [frame["type"] for frame in mine.frames(prompt_id)]
        ran = other.run(graph(i=("StubInt", {"value": 46}), out=("TestLooks", {"value": "@i"})))
    assert {each["data"]["prompt_id"] for each in ran.frames if each["type"] != "status"} == {ran.answer["prompt_id"]}


def test_the_queue_is_seen_and_changed_and_what_runs_is_stopped(alone: Client) -> None:
    slow = graph(s=("TestSteps", STEPS), out=("TestLooks", {"value": "@s"}))
    quick = graph(i=("StubInt", {"value": 45}), out=("TestLooks", {"value": "@i"}))
    first = alone.post(slow).json
    ids = [alone.post(quick, **more).json["prompt_id"] for more in ({}, {"front": True}, {"number": 10_000.5})]
    _until(lambda: alone.get("/queue")["queue_running"])
    found = alone.get("/api/queue")
    assert found["queue_running"] == [
        [first["number"], first["prompt_id"], slow, {"client_id": alone.client_id}, ["out"]]
    ]
    assert [item[1] for item in found["queue_pending"]] == [ids[1], ids[0], ids[2]]
    assert [item[0] for item in found["queue_pending"]][::2] == [-(first["number"] + 2), 10_000.5]
    assert alone.get("/prompt") == {"exec_info": {"queue_remaining": 4}}
    jobs = alone.get("/jobs?status=pending,in_progress")
    assert {job["id"]: job["status"] for job in jobs["jobs"]} == {
        first["prompt_id"]: "in_progress", **dict.fromkeys(ids, "pending"),
    }  # fmt: skip
    assert alone.ask("POST", "/interrupt", {"prompt_id": "another"}).status == 200
    assert alone.ask("POST", "/queue", {"delete": [ids[0], first["prompt_id"]]}).status == 200
    assert [item[1] for item in alone.get("/queue")["queue_pending"]] == [ids[1], ids[2]]
    assert alone.ask("POST", "/queue", {"clear": True}).body == b""
    assert alone.ask("POST", "/interrupt").body == b""
    frames = alone.frames(first["prompt_id"])
    [stopped] = [each["data"] for each in frames if each["type"] == "execution_interrupted"]
    assert (stopped["node_id"], stopped["node_type"], stopped["executed"]) == ("s", "TestSteps", [])
    entry = alone.get(f"/history/{first['prompt_id']}")[first["prompt_id"]]
    assert entry["status"]["status_str"] == "error"
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert alone.get(f"/jobs/{first['prompt_id']}")["status"] == "cancelled"


def test_jobs_are_found_by_their_workflow_and_what_makes_no_sense_is_refused_in_json(alone: Client) -> None:
    asked = {"extra_data": {"extra_pnginfo": {"workflow": {"id": "a workflow"}}}}
    looks = graph(out=("TestLooks", {"value": 47}))
    ids = [alone.run(looks, **more).answer["prompt_id"] for more in (asked, {}, asked)]
    found = alone.get("/jobs?workflow_id=a%20workflow&sort_order=asc")
    assert [job["id"] for job in found["jobs"]] == [ids[0], ids[2]]
    assert found["pagination"]["total"] == 2
    for query in ("status=some", "sort_by=name", "sort_order=up", "limit=x", "offset=-1"):
        answer = alone.ask("GET", f"/jobs?{query}")
        assert (answer.status, list(answer.json)) == (400, ["error"])
    missing = alone.ask("GET", "/jobs/none")
    assert (missing.status, missing.json) == (404, {"error": "Job not found"})


def test_a_class_that_cannot_be_used_is_refused_with_why(tmp_path: Path) -> None:
    pack = tmp_path / "packs" / "fails.py"
    pack.parent.mkdir()
    pack.write_text(
        "class Fails:\n    RETURN_TYPES, FUNCTION = (), 'go'\n\n"
        "    @classmethod\n    def INPUT_TYPES(cls):\n        raise RuntimeError('not today')\n"
        "NODE_CLASS_MAPPINGS = {'Fails': Fails}\n"
    )
    folder = tmp_path / "s"
    folder.mkdir()
    session = session_of(folder, custom_nodes=[pack.parent])
    with served(folder, session=session) as found, Client(found.address) as client:
        answer = client.post({"1": {"class_type": "Fails", "inputs": {}}})
    assert answer.status == 400
    assert "not today" in answer.json["error"]["extra_info"]["hint"]


def test_a_folder_that_cannot_be_written_is_said_without_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "user").write_text("no folder")
    with served(folder) as found, Client(found.address) as client:
        answer = client.ask("POST", "/settings", {"a": 1})
        assert answer.status == 507
        assert b"cannot" in answer.body and bytes(tmp_path) not in answer.body
        assert client.get("/settings") == {}


@pytest.mark.parametrize("path", ["/queue", "/api/queue", "/object_info/StubInt", "/history", "/routed/a"])
def test_the_head_of_what_may_be_got_may_be_asked_for(alone: Client, path: str) -> None:
    got, head = alone.ask("GET", path), alone.ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.body))


def test_a_prompt_id_is_text(alone: Client) -> None:
    answer = alone.post(graph(out=("TestLooks", {"value": 48})), prompt_id="\ud800")
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_prompt")


def _until(true: Any) -> None:
    for _ in range(2000):
        if true():
            return
        time.sleep(0.005)
    raise AssertionError("it never was so")


def test_a_number_of_the_clients_own_takes_no_place(alone: Client) -> None:
    prompt = graph(i=("StubInt", {"value": 1}), out=("TestLooks", {"value": "@i"}))
    answers = [alone.post(prompt, **more).json for more in ({}, {"number": 7}, {})]
    alone.frames(answers[2]["prompt_id"])
    first, own, second = [each["number"] for each in answers]
    assert (own, second) == (7, first + 1)


def test_the_history_is_paged_and_forgotten(tmp_path: Path) -> None:
    with served(tmp_path / "s") as found, Client(found.address) as client:
        prompts = [graph(i=("StubInt", {"value": n}), out=("TestLooks", {"value": "@i"})) for n in range(4)]
        ids = [client.run(prompt, prompt_id=f"mine-{n}").answer["prompt_id"] for n, prompt in enumerate(prompts)]
        assert ids == [f"mine-{n}" for n in range(4)]
        assert list(client.get("/history")) == ids
        assert list(client.get("/history?max_items=2")) == ids[2:]
        assert list(client.get("/history?offset=1")) == ids[1:]
        assert list(client.get("/history?offset=1&max_items=2")) == ids[1:3]
        assert client.get("/history?offset=9") == {}
        assert client.get("/history/none") == {}
        assert client.ask("GET", "/history?max_items=x").status == 400
        client.ask("POST", "/history", {"delete": ids[:1]})
        assert list(client.get("/history")) == ids[1:]
        client.ask("POST", "/history", {"clear": True})
        assert client.get("/history") == {}
        assert client.run(prompts[-1]).executed == []
        client.ask("POST", "/free", {"unload_models": True, "free_memory": True})
        _until(lambda: not found.server.runner._freeing)
        assert client.run(prompts[-1]).executed == ["i", "out"]


def test_a_full_queue_refuses(tmp_path: Path) -> None:
    with served(tmp_path / "s", max_queue=1) as found, Client(found.address) as client:
        slow = graph(s=("TestSteps", STEPS), out=("TestLooks", {"value": "@s"}))
        client.post(slow)
        _until(lambda: client.get("/queue")["queue_running"])
        assert client.post(slow).status == 200
        refused = client.post(slow)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "5")


def test_files_are_shown_and_none_outside(alone: Client, one: Running) -> None:
    ran = alone.run(graph(i=image(), s=("SaveImage", {"images": "@i", "filename_prefix": "sub/pr"})))
    [shown] = ran.entry["outputs"]["s"]["images"]
    assert shown == {"filename": "pr_00001_.png", "subfolder": "sub", "type": "output"}
    place = "/view?filename=pr_00001_.png&subfolder=sub"
    answer = alone.ask("GET", place)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.headers["Content-Disposition"] == 'filename="pr_00001_.png"'
    small = alone.ask("GET", f"{place}&preview=webp;50")
    assert (small.headers["Content-Type"], Image.open(io.BytesIO(small.body)).size) == ("image/webp", (8, 8))
    assert Image.open(io.BytesIO(alone.ask("GET", f"{place}&channel=rgb").body)).mode == "RGB"
    assert Image.open(io.BytesIO(alone.ask("GET", f"{place}&channel=a").body)).getpixel((0, 0)) == (0, 0, 0, 255)
    assert alone.ask("GET", "/view").status == 404
    for named, status in (
        ("nope.png", 404), ("../x.png", 400), ("/etc/passwd", 400), ("a.png&type=zzz", 400), ("a%00.png", 400),
        ("a.png&subfolder=../..", 403), ("a.png&subfolder=/etc", 403), ("x.png [output]", 404),
    ):  # fmt: skip
        assert alone.ask("GET", f"/view?filename={named}").status == status, named
    output = one.server.session.folders.output
    (output / "link.png").symlink_to(one.folder.parent / "secret.png")
    (one.folder.parent / "secret.png").write_bytes(b"secret")
    assert alone.ask("GET", "/view?filename=link.png").status == 403
    (output / "page.html").write_text("<script>1</script>")
    page = alone.ask("GET", "/view?filename=page.html")
    assert page.headers["Content-Type"] == "application/octet-stream"
    assert page.headers["Content-Disposition"].startswith("attachment")
    assert page.headers["X-Content-Type-Options"] == "nosniff"


def _upload(client: Client, content: bytes, name: str = "probe.png", path: str = "/upload/image", **fields: str) -> Any:
    async def ask() -> tuple[int, Any]:
        form = aiohttp.FormData()
        for field, value in fields.items():
            form.add_field(field, value)
        if name:
            form.add_field("image", content, filename=name, content_type="image/png")
        async with client._session.post(client.address + path, data=form) as response:
            return response.status, await response.json() if response.status == 200 else await response.text()

    return client._do(ask())


def _png(colour: tuple[int, ...], mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (4, 4), colour).save(stream, "PNG")
    return stream.getvalue()


def test_uploads_are_kept_and_none_outside(alone: Client, one: Running) -> None:
    first, other = _png((0, 0, 0)), _png((9, 9, 9))
    assert _upload(alone, first) == (200, {"name": "probe.png", "subfolder": "", "type": "input"})
    assert _upload(alone, first)[1]["name"] == "probe.png"
    assert _upload(alone, other)[1]["name"] == "probe (1).png"
    kept = _upload(alone, other, overwrite="true", subfolder="ps", type="temp")
    assert kept == (200, {"name": "probe.png", "subfolder": "ps", "type": "temp"})
    assert _upload(alone, other, subfolder="../..")[0] == 400
    for name in ("../../x.png", "..\\\\..\\\\x.png", " "):
        form = f'--b\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\nx\r\n--b--\r\n'
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        assert _raw(alone, form.encode(), "/upload/image", kind) == 400, name
    assert _upload(alone, other, name="", x="1")[0] == 400
    assert _upload(alone, other, type="models")[0] == 400
    assert "probe (1).png" in alone.get("/object_info/LoadImage")["LoadImage"]["input"]["required"]["image"][0]
    reference = json.dumps({"filename": "probe.png", "type": "input"})
    mask = _png((0, 0, 0, 77), "RGBA")
    status, found = _upload(alone, mask, name="masked.png", path="/upload/mask", original_ref=reference)
    assert status == 200
    with Image.open(one.server.session.folders.input / found["name"]) as picture:
        assert picture.getpixel((0, 0)) == (0, 0, 0, 77)


def test_lists_are_comfyuis(alone: Client) -> None:
    assert alone.get("/features") == {"supports_preview_metadata": True, "max_upload_size": 104857600}
    assert alone.get("/object_info/NoSuch") == {}
    info = alone.get("/object_info/StubImage")["StubImage"]
    assert (info["python_module"], info["display_name"]) == ("custom_nodes.toy-box", "Stub Image")
    assert info["input_order"] == {"required": ["content", "height", "width", "batch_size"]}
    assert alone.get("/models/checkpoints") == ["weft-tiny.safetensors"]
    assert alone.ask("GET", "/models/nope").status == 404
    assert "checkpoints" in alone.get("/models")
    assert alone.get("/embeddings") is not None
    stats = alone.get("/system_stats")
    assert {"comfyui_version", "ram_total", "ram_free", "argv"} <= set(stats["system"])
    assert stats["devices"][0]["type"] == "cpu"
    assert alone.get("/extensions") == ["/extensions/web-pack/x.js"]
    script = alone.ask("GET", "/extensions/web-pack/x.js")
    assert (script.body, "javascript" in script.headers["Content-Type"]) == (b"export const x = 1;\n", True)
    assert alone.ask("GET", "/extensions/web-pack/..%2F__init__.py").status in (403, 404)
    assert alone.get("/health")["status"] == "ok"
    assert alone.get("/i18n") == {}


def test_what_the_editor_keeps_is_kept_in_its_folder(alone: Client) -> None:
    assert alone.get("/users")["storage"] == "server"
    assert alone.get("/settings") == {}
    assert alone.ask("POST", "/settings/Comfy.Locale", "de").status == 200
    assert alone.ask("POST", "/settings", {"a": 1}).status == 200
    assert alone.get("/settings") == {"Comfy.Locale": "de", "a": 1}
    assert alone.get("/settings/none") is None
    path = "/userdata/workflows%2Fmine.json"
    assert alone.ask("GET", path).status == 404
    assert alone.ask("POST", path, {"nodes": []}).json == "workflows/mine.json"
    assert alone.ask("POST", f"{path}?overwrite=false", {}).status == 409
    assert alone.get("/userdata?dir=workflows&recurse=true") == ["mine.json"]
    assert alone.get("/userdata?dir=workflows&full_info=true")[0]["size"] > 0
    assert alone.get(path) == {"nodes": []}
    assert alone.ask("POST", f"{path}/move/other.json").json == "other.json"
    assert [each["name"] for each in alone.get("/v2/userdata")] == ["comfy.settings.json", "other.json", "workflows"]
    assert alone.ask("DELETE", "/userdata/other.json").status == 204
    for name in ("..%2Fx.json", "%2Fetc%2Fpasswd", "."):
        assert alone.ask("GET", f"/userdata/{name}").status in (403, 404)


def test_an_editors_save_runs_and_is_converted(alone: Client) -> None:
    drawn = {"pos": [0, 0], "size": [200, 100], "flags": {}, "mode": 0, "properties": {}}
    source = {"outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}], "widgets_values": ["WHITE", 8, 8, 1]}
    end = {"inputs": [{"name": "images", "type": "IMAGE", "link": 1}], "outputs": [], "widgets_values": []}
    workflow = {
        "nodes": [
            {"id": 1, "type": "StubImage", "order": 0, "inputs": [], **source, **drawn},
            {"id": 2, "type": "PreviewImage", "order": 1, **end, **drawn},
        ],
        "links": [[1, 1, 0, 2, 0, "IMAGE"]], "version": 0.4, "last_node_id": 2, "last_link_id": 1,
    }  # fmt: skip
    converted = alone.ask("POST", "/workflow/convert", workflow).json
    assert converted["2"]["inputs"] == {"images": ["1", 0]}
    assert alone.run(workflow).entry["outputs"]["2"]["images"]
    bare = alone.ask("POST", "/prompt", workflow)  # as it lies in its file
    assert (bare.status, bare.json["node_errors"]) == (200, {})
    assert alone.ask("POST", "/workflow/convert", {"nodes": [{"id": 1, "type": "NoSuch"}], "links": []}).status == 400


def test_packs_add_routes_and_speak_to_their_clients(tmp_path: Path) -> None:
    with served(tmp_path / "s") as found, Client(found.address) as client:
        assert client.get("/routed/a") == {"name": "a"}
        assert client.get("/api/routed/b") == {"name": "b"}
        failed = client.ask("POST", "/routed/fails")
        assert (failed.status, b"secret" in failed.body) == (500, False)
        ran = client.run(graph(says=("TestSays", {"text": "hello"})))
    assert ran.said("toys.said") == [{"text": "hello", "prompt": ran.answer["prompt_id"]}]
    [text] = [each for each in ran.frames if each["type"] == "binary 3"]
    assert text["image"] == b"sayshello"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "localhost:8188"}, 200),
        ({}, 200),
    ],
)
def test_a_page_of_another_origin_is_refused(alone: Client, headers: dict[str, str], status: int) -> None:
    assert alone.ask("POST", "/queue", {}, headers=headers).status == status


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    with served(tmp_path / "s", token="secret") as found:

        async def ask(path: str, **options: Any) -> int:
            async with aiohttp.ClientSession() as session, session.get(found.address + path, **options) as response:
                return response.status

        import asyncio

        assert asyncio.run(ask("/queue")) == 401
        assert asyncio.run(ask("/ws")) == 401
        assert asyncio.run(ask("/health")) == 200
        assert asyncio.run(ask("/queue?token=secret")) == 200
        assert asyncio.run(ask("/queue", headers={"Authorization": "Bearer secret"})) == 200
        assert asyncio.run(ask("/queue", headers={"Authorization": "Bearer secrets"})) == 401


def test_a_server_that_ended_comes_back_with_queue_and_history(tmp_path: Path) -> None:
    slow = graph(s=("TestSteps", STEPS), out=("TestLooks", {"value": "@s"}))
    quick = graph(i=("StubInt", {"value": 46}), out=("TestLooks", {"value": "@i"}))
    state = tmp_path / "state"
    with served(tmp_path / "s", state=state) as found, Client(found.address, "me") as client:
        done = client.run(quick).answer["prompt_id"]
        running = client.post(slow).json["prompt_id"]
        waiting = client.post(quick, extra_data={"api_key_comfy_org": "secret"}).json["prompt_id"]
        _until(lambda: client.get("/queue")["queue_running"])
        entry = client.get(f"/history/{done}")
        copied = {file.name: file.read_bytes() for file in state.iterdir() if file.is_file()}
    assert b"secret" not in b"".join(copied.values())
    # As a kill leaves it: what ran has not ended.
    killed = tmp_path / "killed"
    killed.mkdir()
    for name, content in copied.items():
        (killed / name).write_bytes(content)
    with served(tmp_path / "s", state=killed) as found, Client(found.address, "me") as client:
        assert client.get(f"/history/{done}") == entry
        queue = client.get("/queue")
        known = [item[1] for item in [*queue["queue_running"], *queue["queue_pending"]]]
        assert known == [running, waiting] or running in client.get("/history")
        client.ask("POST", "/interrupt", {"prompt_id": running})
        _until(lambda: waiting in client.get("/history"))
        assert client.get(f"/history/{waiting}")[waiting]["status"]["status_str"] == "success"
        assert client.post(quick).json["number"] >= 3


def test_example_workflows_of_packs_and_templates_are_offered(
    alone: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alone.get("/workflow_templates") == {"web-pack": ["two steps"]}
    assert alone.get("/api/workflow_templates/web-pack/two%20steps.json")["version"] == 0.4
    for path in ("web-pack/notes.py", "web-pack/none.json", "none/two%20steps.json", "web-pack/..%2F__init__.py"):
        assert alone.ask("GET", f"/workflow_templates/{path}").status in (403, 404), path
    (tmp_path / "index.json").write_text('[{"moduleName": "default"}]')
    monkeypatch.setattr(templates, "packaged", lambda: tmp_path)
    assert alone.get("/templates/index.json") == [{"moduleName": "default"}]
    assert alone.ask("GET", "/templates/..%2Findex.json").status in (403, 404)
    monkeypatch.setattr(templates, "packaged", lambda: None)
    assert alone.ask("GET", "/templates/index.json").status == 404


def test_a_class_that_cannot_be_described_is_left_out_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any) -> Any:
        raise ZeroDivisionError("its choices")

    monkeypatch.setattr(listing, "object_info", fail)
    said: list[Any] = []
    with served(tmp_path, log=said.append) as running, Client(running.address) as client:
        assert client.get("/object_info/StubImage") == {}
    expected = {"event": "class_left_out", "class_type": "StubImage", "why": "ZeroDivisionError: its choices"}
    assert [each for each in said if each["event"] == "class_left_out"] == [expected]
