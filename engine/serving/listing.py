"""Routes that list: node classes, models, what the server is and can do."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from aiohttp import web

from weft.engine.custom_nodes.joining import version_for
from weft.engine.describing.entries import object_info
from weft.engine.folders import Folders
from weft.engine.serving.packs import webs
from weft.engine.serving.server import ServedRoute, Server, json_answer


def described(server: Server, names: list[str]) -> dict[str, Any]:
    """The object_info of classes; one that cannot be had is left out, and the log says why."""
    found: dict[str, Any] = {}
    folders = server.session.folders
    folders.refresh()
    for name in names:
        try:
            node = server.session.registry.find(name)
            if node is not None and not node.schema.internal:
                found[name] = object_info(node.schema, folders)
        except Exception as error:  # a pack's own code: it may raise anything
            why = f"{type(error).__name__}: {error}"
            server.options.log({"event": "class_left_out", "class_type": name, "why": why})
    return found


async def get_object_info(server: Server, request: web.Request) -> web.StreamResponse:
    """All node classes."""
    return json_answer(await server.aside(lambda: described(server, list(server.session.registry))))


async def get_object_info_of(server: Server, request: web.Request) -> web.StreamResponse:
    """One node class."""
    name = request.match_info["node_class"]
    known = [name] if name in set(server.session.registry) else []
    return json_answer(await server.aside(lambda: described(server, known)))


async def get_features(server: Server, request: web.Request) -> web.StreamResponse:
    """What the server can do."""
    return json_answer(server.features)


async def get_embeddings(server: Server, request: web.Request) -> web.StreamResponse:
    """The embeddings, without their suffixes."""
    found = await server.aside(server.session.folders.embeddings)
    return json_answer(list(dict.fromkeys(os.path.splitext(name)[0] for name in found)))


async def get_models(server: Server, request: web.Request) -> web.StreamResponse:
    """The kinds of models."""
    return json_answer(list(_kinds(server.session.folders)))


async def get_models_of(server: Server, request: web.Request) -> web.StreamResponse:
    """The models of a kind."""
    kind = request.match_info["folder"]
    folders = server.session.folders
    folders.refresh()
    if kind not in _kinds(folders):
        raise web.HTTPNotFound
    return json_answer(list(await server.aside(lambda: folders.files(kind))))


async def get_model_folders(server: Server, request: web.Request) -> web.StreamResponse:
    """The kinds of models, each with its folders."""
    folders = server.session.folders
    return json_answer([{"name": kind, "folders": _places(folders, kind)} for kind in _kinds(folders)])


async def get_model_files(server: Server, request: web.Request) -> web.StreamResponse:
    """The models of a kind, with the size and the time of each file, and the place of its folder among the kind's."""
    kind = request.match_info["folder"]
    folders = server.session.folders
    folders.refresh()
    if kind not in _kinds(folders):
        raise web.HTTPNotFound
    return json_answer(await server.aside(lambda: _described(folders, kind)))


def _described(folders: Folders, kind: str) -> list[dict[str, Any]]:
    places, found = folders.folders(kind), []
    for name in folders.files(kind):
        for index, place in enumerate(places):
            with suppress(OSError):
                known = (place / name).stat()
                times = {"modified": known.st_mtime, "created": known.st_ctime}
                found.append({"name": name, "pathIndex": index, "size": known.st_size, **times})
                break
    return found


async def get_folder_paths(server: Server, request: web.Request) -> web.StreamResponse:
    """The folders of each kind of models, by its name."""
    folders = server.session.folders
    return json_answer({kind: _places(folders, kind) for kind in _kinds(folders)})


def _places(folders: Folders, kind: str) -> list[str]:
    return [str(place) for place in folders.folders(kind)]


def _kinds(folders: Folders) -> dict[str, None]:
    return dict.fromkeys([*KINDS, *folders.kinds()])


KINDS = (
    "checkpoints", "configs", "loras", "vae", "text_encoders", "diffusion_models", "clip_vision", "style_models",
    "embeddings", "diffusers", "vae_approx", "controlnet", "gligen", "upscale_models", "custom_nodes", "hypernetworks",
    "photomaker", "classifiers", "model_patches", "audio_encoders",
)  # fmt: skip
"""The kinds that ComfyUI has folders for."""


async def get_system_stats(server: Server, request: web.Request) -> web.StreamResponse:
    """The system, its memory and its devices."""
    total, free = memory()
    system = {
        "os": os.name,
        "ram_total": total,
        "ram_free": free,
        "comfyui_version": version_for(server.session.packs),
        "weft_version": version("weft"),
        "python_version": sys.version,
        "pytorch_version": _version_of("torch"),
        "embedded_python": False,
        "argv": _shown(server.options.argv, server.options.token),
    }
    return json_answer({"system": system, "devices": await server.aside(lambda: devices(total, free))})


def _shown(argv: Sequence[str], token: str) -> list[str]:
    """How the server was called, without its token."""
    return [each.replace(token, "***") if token else each for each in argv]


def memory() -> tuple[int, int]:
    """Bytes of the machine's memory, and those that are free; zeros where the system does not tell."""
    try:
        with open("/proc/meminfo") as lines:
            amounts = {line.partition(":")[0]: int(line.split()[1]) << 10 for line in lines}
        return amounts["MemTotal"], amounts["MemAvailable"]
    except (OSError, ValueError, KeyError, IndexError):
        return 0, 0


def devices(total: int, free: int) -> list[dict[str, Any]]:
    """The devices that runs may compute on, as far as they are known: torch is not loaded for it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        amounts = {"vram_total": total, "vram_free": free, "torch_vram_total": total, "torch_vram_free": free}
        return [{"name": "cpu", "type": "cpu", "index": None, **amounts}]
    found = []
    for index in range(torch.cuda.device_count()):
        left, whole = torch.cuda.mem_get_info(index)
        kept = torch.cuda.memory_reserved(index)
        amounts = {"vram_total": whole, "vram_free": left, "torch_vram_total": kept}
        amounts["torch_vram_free"] = kept - torch.cuda.memory_allocated(index)
        name = f"cuda:{index} {torch.cuda.get_device_name(index)}"
        found.append({"name": name, "type": "cuda", "index": index, **amounts})
    return found


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


async def get_extensions(server: Server, request: web.Request) -> web.StreamResponse:
    """The scripts of packs that the editor loads."""
    return json_answer(await server.aside(lambda: list(scripts(server))))


def scripts(server: Server) -> list[str]:
    """The addresses of the packs' scripts."""
    found = []
    for name, folder in webs(server).items():
        for path in sorted(folder.rglob("*.js")):
            found.append(f"/extensions/{name}/{path.relative_to(folder).as_posix()}")
    return found


async def get_health(server: Server, request: web.Request) -> web.StreamResponse:
    """Whether the server lives."""
    return json_answer({"status": "ok", "queue_remaining": server.queue.remaining})


ROUTES = (
    ServedRoute("GET", "/health", get_health),
    ServedRoute("GET", "/object_info", get_object_info),
    ServedRoute("GET", "/object_info/{node_class}", get_object_info_of),
    ServedRoute("GET", "/features", get_features),
    ServedRoute("GET", "/embeddings", get_embeddings),
    ServedRoute("GET", "/models", get_models),
    ServedRoute("GET", "/models/{folder}", get_models_of),
    ServedRoute("GET", "/experiment/models", get_model_folders),
    ServedRoute("GET", "/experiment/models/{folder}", get_model_files),
    ServedRoute("GET", "/internal/folder_paths", get_folder_paths),
    ServedRoute("GET", "/system_stats", get_system_stats),
    ServedRoute("GET", "/extensions", get_extensions),
)
