"""The workflow and the prompt that ComfyUI puts into the pictures, sounds and videos that it saves.

PNG: text chunks `prompt` and `workflow`. JPEG and WebP: Exif, as `prompt:{...}` in Model and `workflow:{...}` in Make,
and, from other writers, the same in ImageDescription or UserComment. FLAC and Ogg: Vorbis comments. WebM: tags.
MP3: user's texts of its ID3 tag. OpenEXR: attributes. MP4: keys of these names, or a comment that is a JSON object with
both. The files are read by hand: `weft.engine.formats.containers` says why.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from weft.engine.errors import UnreadableWorkflow
from weft.engine.formats import containers, tags
from weft.engine.formats.containers import Damaged, FileText, MeteredFile
from weft.engine.workflow.prompt import read_json

HEAD = 16
"""How many of the first bytes of a file tell what it is."""

MAX_STREAM = 256 * 1024 * 1024
"""The largest file that is read from a pipe, where there is no seeking."""

Readable = str | os.PathLike[str] | bytes | BinaryIO


@dataclass(frozen=True)
class Embedded:
    """What a file holds. `kind` is `PNG`, `JPEG`, ...; `found` names every text in it, those of others too.

    `made` is what Weft writes beside the workflow: its version, the sampling mode, the models (RunContext.provenance).
    `damage` says what is wrong with the file behind the texts, as far as it was looked at: pixels are not.
    `broken` says why `prompt`, `workflow` or `weft` cannot be read where they are there.
    """

    kind: str
    prompt: dict[str, Any] | None
    workflow: dict[str, Any] | None
    found: tuple[str, ...]
    damage: str = ""
    made: dict[str, Any] | None = None
    broken: Mapping[str, UnreadableWorkflow] = field(default_factory=dict)


@dataclass(frozen=True)
class _Container:
    kind: str
    matches: Callable[[bytes], bool]
    texts: Callable[[MeteredFile], Iterator[FileText]] | None = None
    noun: str = "metadata"


def _starts(*magic: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magic)


_STILLS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
_CONTAINERS = (
    _Container("PNG", _starts(b"\x89PNG\r\n\x1a\n"), containers.png, "text chunks"),
    _Container("JPEG", _starts(b"\xff\xd8\xff"), containers.jpeg, "Exif tags"),
    _Container("WebP", lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", containers.webp, "Exif tags"),
    _Container("FLAC", _starts(b"fLaC"), containers.flac, "comments"),
    # Those without a reader are named, so that nobody is told that a video is no JSON.
    _Container("AVIF or HEIC", lambda head: head[4:8] == b"ftyp" and head[8:12] in _STILLS),
    _Container("MP4", lambda head: head[4:8] == b"ftyp", containers.mp4),
    _Container("GIF", _starts(b"GIF87a", b"GIF89a")),
    _Container("Ogg", _starts(b"OggS"), tags.ogg, "comments"),
    _Container("WebM or Matroska", _starts(b"\x1aE\xdf\xa3"), tags.matroska, "tags"),
    _Container("MP3", _starts(b"ID3"), tags.id3, "tags"),
    _Container("OpenEXR", _starts(b"\x76\x2f\x31\x01"), tags.exr, "attributes"),
    _Container("TIFF", _starts(b"II*\0", b"MM\0*")),
)

# Whose metadata it is, by the names that they use.
_OTHERS: Mapping[str, str] = {
    "parameters": "automatic1111's format",
    "fooocus_scheme": "Fooocus's format",
    "invokeai_metadata": "InvokeAI's format",
    "sd-metadata": "InvokeAI's format",
    "Dream": "InvokeAI's format",
    "Source": "NovelAI's format",
}
_CARRIERS = frozenset({"comment", "description", "ImageDescription", "UserComment"})
_MADE = "weft"
_NAMES = ("prompt", "workflow", _MADE)
_PREFIX = re.compile(rf"\s*({'|'.join(_NAMES)})\s*:\s*", re.IGNORECASE)


def is_container(source: str | os.PathLike[str] | bytes) -> bool:
    """Whether a file, or a file with these first bytes, is one that may hold a workflow in its metadata.

    True also for formats that are recognised and not read (GIF, WebM, ...): `read` says so. False for what cannot be
    opened.
    """
    if not isinstance(source, bytes):
        try:
            with Path(source).open("rb") as stream:
                source = stream.read(HEAD)
        except (OSError, ValueError):
            return False
    return _container(source) is not None


def read(source: Readable, name: str = "") -> Embedded:
    """The prompt and the workflow in a file, its content, or an open binary stream; `name` is for messages.

    Never decodes pixels or sound; memory and time are bounded by the metadata, and that by `containers.MAX_BYTES`.
    Where a name stands twice, the last one counts, as in ComfyUI. A file that is damaged after them is read.

    Where one of the two is broken, the other one is read.

    Raises UnreadableWorkflow: the file cannot be opened, is none of these formats, is damaged, its JSON is broken, or
    it holds neither; then the message says what it holds.
    """
    if isinstance(source, bytes):
        return _read(io.BytesIO(source), name or "the file")
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            with path.open("rb") as stream:
                return _read(stream, name or str(path))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise UnreadableWorkflow(f"cannot read {str(path)[:200]!r}: {reason}") from error
    return _read(source, name or "the stream")


def _read(stream: BinaryIO, name: str) -> Embedded:
    if not stream.seekable():
        content = stream.read(MAX_STREAM + 1)
        if len(content) > MAX_STREAM:
            raise UnreadableWorkflow(f"{name} is larger than {MAX_STREAM:,} bytes, the most that is read from a pipe")
        stream = io.BytesIO(content)
    stream.seek(0)
    container = _container(stream.read(HEAD))
    if container is None:
        raise UnreadableWorkflow(f"{name} is no picture, sound or video that can hold a workflow")
    if container.texts is None:
        known = ", ".join(other.kind for other in _CONTAINERS if other.texts is not None)
        raise UnreadableWorkflow(f"{name} is {_a(container.kind)}; workflows are read from {known}")
    source = MeteredFile(stream)
    texts: list[FileText] = []
    damage: Damaged | None = None
    try:
        for text in container.texts(source):
            texts.append(text)
    except Damaged as error:
        damage = error
    found = tuple(dict.fromkeys(text.name for text in texts))
    values, broken = _values(texts, container.kind, name)
    prompt, workflow = values.get("prompt"), values.get("workflow")
    if prompt is None and workflow is None:
        for key in ("prompt", "workflow"):
            if key in broken:
                raise broken[key]
        if damage is not None:
            raise UnreadableWorkflow(f"{name} is a damaged {container.kind}: {damage}") from damage
        raise _nothing(container, source, found, name)
    return Embedded(container.kind, prompt, workflow, found, str(damage or ""), values.get(_MADE), broken)


def _container(head: bytes) -> _Container | None:
    return next((container for container in _CONTAINERS if container.matches(head)), None)


def _values(
    texts: list[FileText], kind: str, name: str
) -> tuple[dict[str, dict[str, Any]], dict[str, UnreadableWorkflow]]:
    """The objects called `prompt`, `workflow` and `weft`, and why those that cannot be read cannot."""
    # Of those with the same name only the last is loaded.
    wanted = {text.name.lower(): text for text in texts if text.name.lower() in _NAMES}
    values: dict[str, dict[str, Any]] = {}
    broken: dict[str, UnreadableWorkflow] = {}

    def keep(key: str, text: FileText, skip: int = 0) -> None:
        try:
            _keep(values, key, text.load()[skip:], name)
        except UnreadableWorkflow as error:
            broken[key] = error
        except Damaged as error:
            broken[key] = UnreadableWorkflow(f"{name} is a damaged {kind}: {error}")

    for text in texts:
        if text.name.lower() in wanted:
            continue
        start = text.start.decode("utf-8", "replace")
        match = _PREFIX.match(start)
        if match is not None:
            keep(match[1].lower(), text, match.end())
        elif text.name in _CARRIERS and start.lstrip().startswith("{"):
            try:
                _keep_both(values, text, name)
            except Damaged as error:
                broken["workflow"] = UnreadableWorkflow(f"{name} is a damaged {kind}: {error}")
    for key, text in wanted.items():
        keep(key, text)
    return values, {key: error for key, error in broken.items() if key not in values}


def _keep(values: dict[str, dict[str, Any]], key: str, value: Any, name: str) -> None:
    """Keep what is an object, or is one written as JSON, once or twice. Other texts of that name are someone else's."""
    for _ in range(2):
        if isinstance(value, str) and value.lstrip().startswith(("{", '"{')):
            value = read_json(value, f"the {key} in {name}")
    if isinstance(value, dict):
        values[key] = value


def _keep_both(values: dict[str, dict[str, Any]], text: FileText, name: str) -> None:
    """A comment may be a JSON object that holds both; one that is not, is a comment."""
    try:
        document = read_json(text.load(), f"the {text.name} in {name}")
    except UnreadableWorkflow:
        return
    if isinstance(document, dict):
        for key, value in document.items():
            if key.lower() in _NAMES:
                _keep(values, key.lower(), value, name)


def _nothing(container: _Container, source: MeteredFile, found: tuple[str, ...], name: str) -> UnreadableWorkflow:
    """The error for a file that is whole and holds neither."""
    what = _a(container.kind)
    if container.kind == "PNG":
        what += f" of {containers.png_size(source)}"
    if found:
        shown = ", ".join(repr(text[:40]) for text in found[:12]) + (", ..." if len(found) > 12 else "")
        what += f" with {container.noun} {shown}"
        owner = next((_OTHERS[text] for text in found if text in _OTHERS), None)
        what += f" (this is {owner})" if owner else ""
    else:
        what += " without metadata"
    return UnreadableWorkflow(
        f"{name} holds no workflow of ComfyUI: it is {what}",
        hint="metadata is lost where a file is edited, or shared through a site that removes it",
    )


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOM' else 'a'} {kind}"
