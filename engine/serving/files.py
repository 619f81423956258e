"""Routes of files: what runs wrote, what clients give. Nothing outside of the folders of a kind is read or written."""

from __future__ import annotations

import json
import mimetypes
import os
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import BodyPartReader, web

from weft.engine.errors import WeftError
from weft.engine.serving.server import MOST_UPLOADED, ServedRoute, Server, json_answer
from weft.engine.sweeping.pictures import Pictures, find_pictures
from weft.engine.wholefiles import write_whole

KINDS = ("input", "output", "temp")
_ANNOTATED = re.compile(r"(.*) \[(input|output|temp)\]", re.DOTALL)
_SHOWN = ("image/", "video/", "audio/", "font/")
"""Files of these types a browser may show; what could act in the name of the server it saves."""
_ACTIVE = frozenset({"image/svg+xml"})
_READ = frozenset({"application/json", "text/plain"})
_TAKEN = 1000
"""As many files of one name are told apart by a number."""
_LONGEST_FIELD = 1 << 20
_MOST_PARTS = 100
_LONGEST_NAME = 255
"""Bytes of a name in a folder, on the file systems that people have."""


class ServedPlace(NamedTuple):
    """A file below the folder of a kind: the folder, and the file, links followed."""

    root: Path
    file: Path


def root_of(server: Server, kind: str) -> Path:
    """The folder of a kind. Answers 400 for a kind that there is not."""
    folders = server.session.folders
    if kind not in KINDS:
        raise web.HTTPBadRequest(text=f"type: expected one of {', '.join(KINDS)}")
    return folders.input if kind == "input" else folders.output_folder(kind)


def inside(root: Path, *parts: str) -> Path | None:
    """The file that these parts lead to from the folder, links followed; None where that lies outside of it."""
    if any("\0" in part for part in parts):
        return None
    try:
        # Longer names are of no file, and asking for one is an error.
        if any(len(os.fsencode(name)) > _LONGEST_NAME for part in parts for name in re.split(r"[/\\]", part)):
            return None
        top = os.path.realpath(root)
        found = os.path.realpath(os.path.join(top, *(part.replace("\\", "/") for part in parts)))
    except (OSError, ValueError):
        return None
    return Path(found) if found == top or found.startswith(top + os.sep) else None


def place_of(server: Server, query: Mapping[str, str]) -> ServedPlace:
    """The file that a request names. Answers 404 where it names none, 400 and 403 where it may not be named."""
    name, kind = query.get("filename", ""), query.get("type", "output")
    if annotated := _ANNOTATED.fullmatch(name):
        name, kind = annotated[1], annotated[2]
    if not name:
        raise web.HTTPNotFound
    if name[0] in "/\\" or ".." in name or "\0" in name:
        raise web.HTTPBadRequest(text="the name leaves its folder")
    root = root_of(server, kind)
    folder = inside(root, query.get("subfolder", ""))
    file = inside(root, query.get("subfolder", ""), name)
    if folder is None or file is None:
        raise web.HTTPForbidden(text="the name leaves its folder")
    return ServedPlace(root, file)


async def get_view(server: Server, request: web.Request) -> web.StreamResponse:
    """A file that a run wrote or a client gave; of a picture also one channel, or a smaller form."""
    place = place_of(server, request.query)
    if not place.file.is_file():
        raise web.HTTPNotFound
    name = place.file.name
    preview, channel = request.query.get("preview"), request.query.get("channel", "rgba")
    if preview is not None or channel in ("rgb", "a"):
        form, _, quality = (preview or "png").partition(";")
        content = await server.aside(lambda: pictures_of(server).shown(place.file, channel, form, _quality(quality)))
        if content is not None:
            kind, body = content
            return web.Response(body=body, content_type=kind, headers={"Content-Disposition": _called(name)})
    return shown(place.file)


def _quality(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,3}", text) else 90


def shown(file: Path) -> web.StreamResponse:
    """A file as an answer: what a browser would run it is to save instead."""
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    plain = kind.startswith(_SHOWN) and kind not in _ACTIVE
    headers = {"Content-Disposition": _called(file.name) if plain else f"attachment; {_called(file.name)}"}
    headers["Content-Type"] = kind if plain or kind in _READ else "application/octet-stream"
    return web.FileResponse(file, headers=headers)


def _called(name: str) -> str:
    plain = re.sub(r'[^\x20-\x7e]|["\\]', "_", name)
    return f'filename="{plain}"'


def pictures_of(server: Server) -> Pictures:
    """What knows pictures. Answers 501 where no pack does."""
    found = find_pictures(server.session.packs, lambda message: None)
    if found is None:
        raise web.HTTPNotImplemented(text="no installed pack knows pictures")
    return found


class Upload(NamedTuple):
    """What a client gave: the fields of a form, and the file in it."""

    fields: dict[str, str]
    name: str
    content: bytes


async def read_upload(request: web.Request) -> Upload:
    """The form that a client sent. Answers 400 for one without a file, 413 for one with too much in it."""
    if not request.content_type.startswith("multipart/"):
        raise web.HTTPBadRequest(text="expected a form with a file `image`")
    fields: dict[str, str] = {}
    name, content = "", None
    try:
        async for part in _parts(request):
            if part.name == "image" and part.filename:
                name, content = part.filename, await _read(part, MOST_UPLOADED)
            elif part.name:
                fields[part.name] = (await _read(part, _LONGEST_FIELD)).decode("utf-8", "replace")
    except (ValueError, RuntimeError, AssertionError) as error:
        raise web.HTTPBadRequest(text=f"the form cannot be read: {error}") from error
    if content is None:
        raise web.HTTPBadRequest(text="the form has no file `image`")
    return Upload(fields, name, content)


async def _parts(request: web.Request) -> AsyncIterator[BodyPartReader]:
    count = 0
    async for part in await request.multipart():
        count += 1
        if count > _MOST_PARTS:
            raise web.HTTPRequestEntityTooLarge(_MOST_PARTS, count, text=f"the form has more than {_MOST_PARTS} parts")
        if isinstance(part, BodyPartReader):
            yield part


async def _read(part: BodyPartReader, most: int) -> bytes:
    found = bytearray()
    while chunk := await part.read_chunk(1 << 16):
        found += chunk
        if len(found) > most:
            raise web.HTTPRequestEntityTooLarge(most, len(found))
    return bytes(found)


async def post_image(server: Server, request: web.Request) -> web.StreamResponse:
    """Take a file of a client's, as an input."""
    upload = await read_upload(request)
    return json_answer(await server.aside(lambda: stored(server, upload)))


async def post_mask(server: Server, request: web.Request) -> web.StreamResponse:
    """Take a mask: the transparency of the file becomes that of the picture that `original_ref` names."""
    upload = await read_upload(request)
    try:
        reference = json.loads(upload.fields.get("original_ref", ""))
        query = {name: str(value) for name, value in reference.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise web.HTTPBadRequest(text="original_ref: expected a JSON object") from error
    place = place_of(server, {"type": "output", **query})
    if not place.file.is_file():
        raise web.HTTPBadRequest(text="original_ref names no file that is there")
    content = await server.aside(lambda: pictures_of(server).masked(place.file, upload.content))
    if content is None:
        raise web.HTTPBadRequest(text="the mask or the picture cannot be read")
    masked = upload._replace(content=content)
    return json_answer(await server.aside(lambda: stored(server, masked)))


def stored(server: Server, upload: Upload) -> dict[str, Any]:
    """Write what a client gave; gives its name, subfolder and type.

    One that is there with other bytes stays, unless the client says otherwise: the new one gets a number.
    """
    kind = upload.fields.get("type", "input")
    subfolder = upload.fields.get("subfolder", "")
    root = root_of(server, kind)
    folder = inside(root, subfolder)
    file = inside(root, subfolder, upload.name)
    if folder is None or file is None or file == folder or not upload.name.strip() or upload.name[0] in "/\\":
        raise web.HTTPBadRequest(text="the name leaves its folder")
    overwrite = upload.fields.get("overwrite") in ("true", "1")
    stem, suffix = os.path.splitext(file.name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, _TAKEN):
            if overwrite or not file.exists():
                write_whole(file, upload.content)
                break
            if file.is_file() and file.read_bytes() == upload.content:
                break
            file = file.with_name(f"{stem} ({number}){suffix}")
        else:
            raise web.HTTPBadRequest(text=f"{upload.name!r} is there too often")
    except OSError as error:
        raise web.HTTPBadRequest(text=f"{upload.name!r} cannot be written: {error.strerror}") from error
    server.session.folders.refresh()
    return {"name": file.relative_to(folder).as_posix(), "subfolder": subfolder, "type": kind}


async def get_metadata(server: Server, request: web.Request) -> web.StreamResponse:
    """What a model's file says of itself: the metadata in its header."""
    name = request.query.get("filename", "")
    if not name.endswith(".safetensors"):
        raise web.HTTPNotFound
    try:
        file = server.session.folders.find(request.match_info["folder"], name)
    except WeftError as error:
        raise web.HTTPNotFound from error
    found = await server.aside(lambda: metadata_of(file))
    if not found:
        raise web.HTTPNotFound
    return json_answer(found)


def metadata_of(file: Path) -> dict[str, Any]:
    """The metadata in the header of a .safetensors file; nothing of one that has none, or is none."""
    try:
        with open(file, "rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(size, _LONGEST_HEADER)))
        found = header.get("__metadata__", {})
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


_LONGEST_HEADER = 100 << 20

ROUTES = (
    ServedRoute("GET", "/view", get_view),
    ServedRoute("POST", "/upload/image", post_image),
    ServedRoute("POST", "/upload/mask", post_mask),
    ServedRoute("GET", "/view_metadata/{folder}", get_metadata),
)
