"""Files of videos and sounds, opened and written by PyAV, which is imported when that is done."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from weft.nodes.diffusion.errors import DiffusionError

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

Source = str | Path | io.BytesIO
"""A file by its path, or the content of one."""

Target = str | Path | IO[bytes]
"""Where a file is written: its path, or a stream that can be sought in."""


def name_of(source: Source) -> str:
    """What a message calls it."""
    return "the video" if isinstance(source, io.BytesIO) else Path(source).name


@contextmanager
def opened(source: Source) -> Iterator[InputContainer]:
    """The file, opened for reading; what goes wrong inside, decoding included, becomes one error that names it.

    Raises DiffusionError: no such file, none with video or sound, damaged.
    """
    import av

    name = name_of(source)
    if isinstance(source, io.BytesIO):
        source.seek(0)
    elif not Path(source).is_file():
        raise DiffusionError(f"no such file: {source}")
    try:
        # Local files alone: what a playlist names elsewhere is not fetched.
        with av.open(
            source if isinstance(source, io.BytesIO) else str(source),
            "r",
            metadata_errors="replace",
            container_options={"protocol_whitelist": "file"},
        ) as container:
            yield container
    except av.error.FFmpegError as error:
        raise DiffusionError(f"{name} cannot be read as a video or a sound: {error.strerror or error}") from error


@contextmanager
def written(target: Target, kind: str, metadata: Mapping[str, str]) -> Iterator[OutputContainer]:
    """A container of a kind (`mp4`, `webm`, `ogg`, ...) that is being written, with texts in its metadata.

    The same content gives the same bytes. Raises DiffusionError for what the encoder refuses.
    """
    import av

    options = {"fflags": "+bitexact"} | ({"movflags": "use_metadata_tags"} if kind == "mp4" else {})
    place = _place(target)
    try:
        with av.open(place, "w", format=kind, options=options) as container:
            for name, text in metadata.items():
                container.metadata[name] = text
            yield container
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise DiffusionError(f"{kind} cannot be written: {error.strerror or error}") from error
    if isinstance(place, io.BytesIO) and place is not target:
        assert not isinstance(target, str | Path)
        target.write(place.getbuffer())


def _place(target: Target) -> str | io.BytesIO:
    """Where FFmpeg writes: by itself, or into memory: what a stream raises while FFmpeg calls it is lost on the way."""
    if isinstance(target, str | Path):
        return str(target)
    if isinstance(target, io.BytesIO):
        return target
    name = getattr(target, "name", None)
    return name if isinstance(name, str) and Path(name).is_file() else io.BytesIO()
