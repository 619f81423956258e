"""The texts in the metadata of Ogg, WebM, MP3 and OpenEXR files: beside `containers`, and read as those are.

Where a file says nothing of how long an element is (a stream that was recorded), what is in it is read as if it stood
beside it. No format nests here: each reader goes down a fixed number of levels.
"""

from __future__ import annotations

from collections.abc import Iterator

from weft.engine.formats.containers import Damaged, FileText, MeteredFile, decoded, text_in, vorbis


def ogg(source: MeteredFile) -> Iterator[FileText]:
    """The comments of each stream of an Ogg file: its second packet (RFC 3533; RFC 7845 for Opus)."""
    streams: dict[int, list[bytearray]] = {}
    finished: set[int] = set()
    position = 0
    while position < source.size and not (streams and finished.issuperset(streams)):
        head = source.read(position, 27, "a page's header")
        if not head.startswith(b"OggS"):
            raise Damaged(f"no page starts at byte {position:,}")
        lengths = source.read(position + 27, head[26], "a page's table")
        serial, position = int.from_bytes(head[14:18], "little"), position + 27 + len(lengths)
        if head[5] & 2:
            streams[serial] = [bytearray()]
        packets = streams.get(serial)
        if packets is not None and serial not in finished:
            body = source.read(position, sum(lengths), "a page")
            if _filled(packets, lengths, body):
                finished.add(serial)
                yield from _comments(source, bytes(packets[1]))
        position += sum(lengths)


def _filled(packets: list[bytearray], lengths: bytes, body: bytes) -> bool:
    """Add a page to the packets of its stream; whether the second one is whole."""
    start = 0
    for length in lengths:
        packets[-1] += body[start : start + length]
        start += length
        if length < 255:
            if len(packets) == 2:
                return True
            packets.append(bytearray())
    return False


_COMMENTS = {b"OpusTags": 8, b"\x03vorbis": 7, b"\x81theora": 7}


def _comments(source: MeteredFile, packet: bytes) -> Iterator[FileText]:
    skipped = next((length for start, length in _COMMENTS.items() if packet.startswith(start)), None)
    if skipped is None and packet[:1] in (b"\x04", b"\x84"):
        skipped = 4  # a FLAC block inside of Ogg
    if skipped is not None:
        yield from vorbis(source, packet[skipped:])


_SEGMENT, _TAGS, _TAG, _SIMPLE = 0x18538067, 0x1254C367, 0x7373, 0x67C8
_LEVELS = (_SEGMENT, _TAGS, _TAG, _SIMPLE)
_NAME, _TEXT = 0x45A3, 0x4487


def matroska(source: MeteredFile) -> Iterator[FileText]:
    """The simple tags of a WebM or Matroska file (RFC 9559, 5.1.8)."""
    yield from _tagged(source, 0, source.size, 0)


def _tagged(source: MeteredFile, start: int, end: int, level: int) -> Iterator[FileText]:
    for kind, first, last in _elements(source, start, end):
        if kind == _SIMPLE:
            parts = {inner: (a, b) for inner, a, b in _elements(source, first, last)}
            if _NAME in parts and _TEXT in parts:
                (a, b), (begin, stop) = parts[_NAME], parts[_TEXT]
                name = decoded(source.read(a, min(b - a, 80), "a tag's name"))
                yield _stored(source, name, begin, stop)
        elif kind in _LEVELS[level:]:
            yield from _tagged(source, first, last, _LEVELS.index(kind) + 1)


def _stored(source: MeteredFile, name: str, start: int, end: int) -> FileText:
    first = source.read(start, min(end - start, 16), name)
    return FileText(name, first, lambda: decoded(source.read(start, end - start, name)))


def _elements(source: MeteredFile, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The EBML elements between two places (RFC 8794): id, and where the content starts and ends."""
    while start < end:
        head = source.read(start, min(12, source.size - start), "an element's header")
        length = _length_of(head, 0, start)
        kind = int.from_bytes(head[:length], "big")
        more = _length_of(head, length, start)
        size = int.from_bytes(head[length : length + more], "big") & ~(1 << 7 * more)
        content = start + length + more
        if size == (1 << 7 * more) - 1:  # not known: what is inside follows
            size = 0
        if content + size > end:
            raise Damaged(f"an element at byte {start:,} should be {size:,} bytes of the {end - content:,} left")
        yield kind, content, content + size
        start = content + size


def _length_of(head: bytes, at: int, start: int) -> int:
    """How many bytes a number has that says so in its first one."""
    length = 9 - head[at].bit_length() if at < len(head) else 9
    if at + length > len(head):
        raise Damaged(f"what stands at byte {start:,} is no element")
    return length


_ENCODINGS = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}


def id3(source: MeteredFile) -> Iterator[FileText]:
    """The user's texts and the comments of an MP3: its ID3v2 tag, 2.3 or 2.4, in front of the sound."""
    head = source.read(0, 10, "the tag's header")
    version, flags = head[3], head[5]
    tag = source.read(10, _syncsafe(head[6:10]), "the tag")
    if version not in (3, 4):
        return
    if flags & 0x80:
        tag = tag.replace(b"\xff\0", b"\xff")
    position = 0
    if flags & 0x40:
        position = _size(tag[:4], version) + (4 if version == 3 else 0)
    while position + 10 <= len(tag) and tag[position]:
        kind, size = tag[position : position + 4], _size(tag[position + 4 : position + 8], version)
        body, position = tag[position + 10 : position + 10 + size], position + 10 + size
        if position > len(tag):
            raise Damaged(f"a frame of its tag says that it ends at byte {position:,} of {len(tag):,}")
        source.spend(10, "a frame")
        if kind in (b"TXXX", b"COMM") and body:
            yield from _frame(source, kind, body)


def _frame(source: MeteredFile, kind: bytes, body: bytes) -> Iterator[FileText]:
    encoding = _ENCODINGS.get(body[0], "latin-1")
    start = 1 if kind == b"TXXX" else 4
    wide = encoding.startswith("utf-16")
    end = next(
        (at for at in range(start, len(body), 1 + wide) if body[at : at + 1 + wide] == bytes(1 + wide)), len(body)
    )
    name = body[start:end].decode(encoding, "replace") if kind == b"TXXX" else "comment"
    text = body[end + 1 + wide :].decode(encoding, "replace").rstrip("\0")
    yield text_in(source, name[:80], text.encode(errors="replace"))


def _size(data: bytes, version: int) -> int:
    return _syncsafe(data) if version == 4 else int.from_bytes(data, "big")


def _syncsafe(data: bytes) -> int:
    """A number of seven bits a byte."""
    value = 0
    for byte in data:
        value = value << 7 | byte & 0x7F
    return value


def exr(source: MeteredFile) -> Iterator[FileText]:
    """The texts among the attributes of an OpenEXR file's first header."""
    position = 8
    while name := _until_zero(source, position, "an attribute's name"):
        position += len(name) + 1
        kind = _until_zero(source, position, "an attribute's type")
        position += len(kind) + 1
        size, position = int.from_bytes(source.read(position, 4, "an attribute's size"), "little"), position + 4
        if position + size > source.size:
            raise Damaged(
                f"its attribute {decoded(name)!r} should be {size:,} bytes of the {source.size - position:,} left"
            )
        if kind == b"string":
            yield _stored(source, decoded(name), position, position + size)
        position += size


def _until_zero(source: MeteredFile, position: int, what: str) -> bytes:
    """A name, at most 255 bytes long."""
    found, zero, _ = source.read(position, min(256, max(source.size - position, 1)), what).partition(b"\0")
    if not zero:
        raise Damaged(f"{what} at byte {position:,} has no end")
    return found
