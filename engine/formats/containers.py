"""The texts in the metadata of PNG, JPEG, WebP, FLAC and MP4 files.

Read with the standard library alone: the engine may not import an imaging library, and none is needed, since only
headers and text are read, by seeking from one to the next. Pixels and sound are never decoded. What a file says of its
own lengths is believed only as far as it reaches: `MeteredFile` counts every byte that is read or inflated.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_BYTES = 64 * 1024 * 1024
"""The most metadata that is read from one file, inflated or not."""

MAX_PARTS = 1_000_000
"""The most chunks, segments, boxes and tags that are looked at in one file."""


class Damaged(ValueError):
    """The file is not what its format says: cut off, a length that lies, more than is read."""


@dataclass(frozen=True)
class FileText:
    """One text of a file: its name, its first bytes, and how to get it all. `load` raises Damaged."""

    name: str
    start: bytes
    load: Callable[[], str]


class MeteredFile:
    """A file to take pieces from; it keeps account of how many and how much."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, 2)
        self._bytes = MAX_BYTES
        self._parts = MAX_PARTS

    def read(self, position: int, length: int, what: str) -> bytes:
        """`length` bytes at `position`. Raises Damaged where the file ends before."""
        if length < 0 or position + length > self.size:
            raise Damaged(f"it ends at byte {self.size:,}, in the middle of {what}")
        self.spend(length, what)
        self._stream.seek(position)
        return self._stream.read(length)

    def spend(self, length: int, what: str) -> None:
        """Account for one part and its bytes. Raises Damaged where it is too much."""
        self._bytes -= length
        self._parts -= 1
        if self._bytes < 0:
            raise Damaged(f"{what} takes it beyond {MAX_BYTES:,} bytes of metadata, the most that is read")
        if self._parts < 0:
            raise Damaged(f"it has more than {MAX_PARTS:,} parts, the most that are looked at")


def decoded(data: bytes) -> str:
    """Text of unknown encoding: UTF-8 where it is that, else Latin-1, which everything is."""
    data = data.rstrip(b"\0")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def png_size(source: MeteredFile) -> str:
    """`512x512`, as the header says."""
    width, height = struct.unpack(">II", source.read(16, 8, "the header"))
    return f"{width}x{height}"


def png(source: MeteredFile) -> Iterator[FileText]:
    """The text chunks of a PNG (PNG specification, 11.3.4): tEXt, zTXt, iTXt, and Exif; ComfyUI's own comf."""
    position = 8
    while True:
        length, kind = struct.unpack(">I4s", source.read(position, 8, "a chunk's header"))
        name, body = decoded(kind), position + 8
        if body + length + 4 > source.size:
            raise Damaged(
                f"chunk {name!r} at byte {position:,} should be {length:,} bytes; it ends {_ago(source, body)}"
            )
        if kind == b"eXIf":
            yield from exif(source, source.read(body, length, "Exif"))
        elif kind in _PNG_TEXTS:
            keyword = decoded(source.read(body, min(length, 80), "a keyword").partition(b"\0")[0])
            yield FileText(keyword, b"", _png_text(source, kind, keyword, body, length))
        elif kind == b"IEND":
            return
        position = body + length + 4


def _ago(source: MeteredFile, body: int) -> str:
    return f"after {max(source.size - body, 0):,}"


def _png_text(source: MeteredFile, kind: bytes, keyword: str, body: int, length: int) -> Callable[[], str]:
    what = f"text chunk {keyword!r}"

    def load() -> str:
        data = source.read(body, length + 4, what)
        if zlib.crc32(data[:-4], zlib.crc32(kind)) != int.from_bytes(data[-4:], "big"):
            raise Damaged(f"{what} does not agree with its checksum")
        return decoded(_PNG_TEXTS[kind](source, data[:-4].partition(b"\0")[2], what))

    return load


def _plain(source: MeteredFile, data: bytes, what: str) -> bytes:
    return data


def _compressed(source: MeteredFile, data: bytes, what: str) -> bytes:
    return _inflated(source, data[1:], what)


def _international(source: MeteredFile, data: bytes, what: str) -> bytes:
    compressed, data = data[:1] == b"\1", data[2:]
    text = data.partition(b"\0")[2].partition(b"\0")[2]  # after the language and the translated keyword
    return _inflated(source, text, what) if compressed else text


# `comf` is ComfyUI's own, of animated pictures: laid out as tEXt, in UTF-8, after the first frame.
_PNG_TEXTS = {b"tEXt": _plain, b"zTXt": _compressed, b"iTXt": _international, b"comf": _plain}


def _inflated(source: MeteredFile, data: bytes, what: str) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise Damaged(f"{what} cannot be inflated: {error}") from error
    if inflater.unconsumed_tail:
        raise Damaged(f"{what} inflates to more than {MAX_BYTES:,} bytes, the most that is read")
    if not inflater.eof:
        raise Damaged(f"{what} ends before its compressed text does")
    source.spend(len(text), what)
    return text


def jpeg(source: MeteredFile) -> Iterator[FileText]:
    """The Exif segments and comments of a JPEG (ITU T.81, annex B), up to the picture itself."""
    position = 2
    while True:
        mark, marker = source.read(position, 2, "a segment's marker")
        if mark != 0xFF:
            raise Damaged(f"byte {position:,} should start a segment, but is {mark:#04x}")
        if marker in (0xDA, 0xD9):  # the picture, or its end
            return
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8:  # filling, or markers without a segment
            position += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(source.read(position + 2, 2, "a segment's length"), "big")
        if length < 2:
            raise Damaged(f"the segment at byte {position:,} says that it has {length} bytes")
        if marker in (0xE1, 0xFE):
            data = source.read(position + 4, length - 2, "a segment")
            if marker == 0xFE:
                yield text_in(source, "comment", data)
            elif data.startswith(b"Exif\0\0"):
                yield from exif(source, data)
        position += 2 + length


def webp(source: MeteredFile) -> Iterator[FileText]:
    """The Exif chunks of a WebP (RFC 9649)."""
    end, position = 8 + struct.unpack("<I", source.read(4, 4, "the header"))[0], 12
    while position + 8 <= end:
        kind, length = struct.unpack("<4sI", source.read(position, 8, "a chunk's header"))
        if position + 8 + length > source.size:
            ends = _ago(source, position + 8)
            raise Damaged(f"chunk {decoded(kind)!r} at byte {position:,} should be {length:,} bytes; it ends {ends}")
        if kind == b"EXIF":
            yield from exif(source, source.read(position + 8, length, "Exif"))
        position += 8 + length + length % 2


_TAGS = {0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software", 0x9286: "UserComment"}
_EXIF_IFD = 0x8769
_BYTE_TYPES = (1, 2, 7, 129)  # bytes, ASCII, undefined, UTF-8


def exif(source: MeteredFile, data: bytes) -> Iterator[FileText]:
    """The texts of the first directory of a TIFF block and of its Exif directory (Exif 2.32, 4.6)."""
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        raise Damaged(f"its Exif starts with {data[:4]!r}, which is no byte order")
    directories = [_unpacked(order + "I", data, 4)]
    for offset in directories:
        for number in range(_unpacked(order + "H", data, offset)):
            entry = offset + 2 + 12 * number
            source.spend(12, "an Exif tag")
            tag, kind = _unpacked(order + "H", data, entry), _unpacked(order + "H", data, entry + 2)
            count = _unpacked(order + "I", data, entry + 4)
            place = entry + 8 if count <= 4 else _unpacked(order + "I", data, entry + 8)
            if tag == _EXIF_IFD and len(directories) == 1:
                directories.append(_unpacked(order + "I", data, entry + 8))
            elif kind in _BYTE_TYPES:
                if place + count > len(data):
                    raise Damaged(f"Exif tag {tag:#06x} says that it ends at byte {place + count:,} of {len(data):,}")
                name = _TAGS.get(tag, f"tag {tag:#06x}")
                if tag == 0x9286:
                    yield _comment(source, name, data, place, count, order)
                else:
                    yield text_in(source, name, data, place, count)


def _unpacked(form: str, data: bytes, offset: int) -> int:
    try:
        value: int = struct.unpack_from(form, data, offset)[0]
    except struct.error as error:
        raise Damaged(f"its Exif of {len(data):,} bytes ends before byte {offset:,}") from error
    return value


def text_in(source: MeteredFile, name: str, data: bytes, start: int = 0, length: int | None = None) -> FileText:
    """A text inside a block that is in memory; many may claim the same bytes, so each is paid for when it is loaded."""
    end = len(data) if length is None else start + length

    def load() -> str:
        source.spend(end - start, name)
        return decoded(data[start:end])

    return FileText(name, data[start : min(end, start + 16)], load)


_BYTE_ORDERS = {b"{\0": "utf-16-le", b"\0{": "utf-16-be", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def _comment(source: MeteredFile, name: str, data: bytes, start: int, length: int, order: str) -> FileText:
    """UserComment: eight bytes name its encoding. Writers disagree on the byte order of UNICODE; the text tells."""
    code = data[start : start + min(length, 8)]
    if code == b"UNICODE\0":
        usual = "utf-16-le" if order == "<" else "utf-16-be"
        encoding = _BYTE_ORDERS.get(data[start + 8 : min(start + 10, start + length)], usual)
        first = data[start + 8 : min(start + 40, start + length)].decode(encoding, "replace")

        def load() -> str:
            source.spend(length, name)
            return data[start + 8 : start + length].decode(encoding, "replace").rstrip("\0")

        return FileText(name, first.encode(errors="replace"), load)
    skipped = 8 if code in (b"ASCII\0\0\0", b"\0" * 8) else 0
    return text_in(source, name, data, start + skipped, length - skipped)


def flac(source: MeteredFile) -> Iterator[FileText]:
    """The Vorbis comments of a FLAC (RFC 9639, 8.6)."""
    position, last = 4, False
    while not last:
        head = source.read(position, 4, "a block's header")
        last, kind, length = bool(head[0] & 0x80), head[0] & 0x7F, int.from_bytes(head[1:], "big")
        if kind == 4:
            yield from vorbis(source, source.read(position + 4, length, "the comments"))
        position += 4 + length


def vorbis(source: MeteredFile, data: bytes) -> Iterator[FileText]:
    """The comments of a Vorbis comment header, without what stands around it in FLAC and Ogg."""

    def length(offset: int) -> int:
        if offset + 4 > len(data):
            raise Damaged(f"its comments of {len(data):,} bytes end before byte {offset + 4:,}")
        return int.from_bytes(data[offset : offset + 4], "little")

    offset = 4 + length(0)  # after the name of the program that wrote them
    for _ in range(length(offset)):
        size, start = length(offset + 4), offset + 8
        if start + size > len(data):
            raise Damaged(f"a comment says that it ends at byte {start + size:,} of {len(data):,}")
        source.spend(4, "a comment")
        equals = data.find(b"=", start, start + size)
        if equals >= 0:
            yield text_in(source, decoded(data[start:equals][:80]), data, equals + 1, start + size - equals - 1)
        offset += 4 + size


def mp4(source: MeteredFile) -> Iterator[FileText]:
    """The metadata of an MP4 or QuickTime file: `moov/udta/meta/ilst`, `moov/meta` with keys, and `©cmt` in udta.

    ISO/IEC 14496-12, and QuickTime's metadata atoms.
    """
    for kind, start, end in _boxes(source, 0, source.size):
        if kind == b"moov":
            for inner, first, last in _boxes(source, start, end):
                if inner == b"udta":
                    yield from _user_data(source, first, last)
                elif inner == b"meta":
                    yield from _metadata(source, first, last)


_Box = tuple[bytes, int, int]


def _boxes(source: MeteredFile, start: int, end: int) -> Iterator[_Box]:
    """The boxes between two places of the file: kind, and where the content starts and ends."""
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", source.read(start, 8, "a box's header"))
        content = start + 8
        if size == 1:
            size, content = int.from_bytes(source.read(content, 8, "a box's length"), "big"), content + 8
        elif size == 0:
            size = end - start
        if size < content - start or start + size > end:
            raise Damaged(
                f"box {decoded(kind)!r} at byte {start:,} should be {size:,} bytes of the {end - start:,} left"
            )
        yield kind, content, start + size
        start += size


def _user_data(source: MeteredFile, start: int, end: int) -> Iterator[FileText]:
    for kind, first, last in _boxes(source, start, end):
        if kind == b"meta":
            yield from _metadata(source, first, last)
        elif kind == b"\xa9cmt":  # QuickTime's: two bytes of length, two of language
            yield from _payload(source, "comment", first + 4, last)


def _metadata(source: MeteredFile, start: int, end: int) -> Iterator[FileText]:
    # ISO's box has a version before its boxes, QuickTime's has none.
    if end - start >= 8 and source.read(start + 4, 4, "a box's header") != b"hdlr":
        start += 4
    keys: list[str] = []
    for kind, first, last in _boxes(source, start, end):
        if kind == b"keys":
            keys = [decoded(source.read(a, min(b - a, 80), "a key")) for _, a, b in _boxes(source, first + 8, last)]
        elif kind == b"ilst":
            for item, inside, outside in _boxes(source, first, last):
                number = int.from_bytes(item, "big")
                name = keys[number - 1] if 0 < number <= len(keys) else _ITEMS.get(item, item.decode("latin-1"))
                for part, begin, stop in _boxes(source, inside, outside):
                    if part == b"name":
                        name = decoded(source.read(begin + 4, min(stop - begin - 4, 80), "a name"))
                    elif part == b"data":
                        yield from _payload(source, name, begin + 8, stop)


_ITEMS = {b"\xa9cmt": "comment", b"desc": "description", b"ldes": "description", b"\xa9des": "description"}


def _payload(source: MeteredFile, name: str, start: int, end: int) -> Iterator[FileText]:
    if start <= end:
        first = source.read(start, min(end - start, 16), name)
        yield FileText(name, first, lambda: decoded(source.read(start, end - start, name)))
