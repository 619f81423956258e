"""engine/embedded.py, engine/containers.py: what is found in files of each kind; no file, however broken, does harm."""

from __future__ import annotations

import io
import json
import os
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from weft.engine.errors import UnreadableWorkflow
from weft.engine.formats import containers
from weft.engine.formats.embedded import Embedded, is_container, read

PROMPT = {"1": {"class_type": "Möwe", "inputs": {"seed": 7}}}
WORKFLOW = {"nodes": [], "links": [], "version": 0.4}
P, W = json.dumps(PROMPT), json.dumps(WORKFLOW)
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes, width: int = 512, height: int = 512) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return PNG_MAGIC + header + b"".join(chunks) + chunk(b"IDAT", b"pixels that nobody decodes") + chunk(b"IEND", b"")


def text(name: str, value: str) -> bytes:
    return chunk(b"tEXt", name.encode() + b"\0" + value.encode())


def saved(kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6)).save(stream, kind, **options)
    return stream.getvalue()


def with_exif(kind: str, tags: dict[int, Any], inner: dict[int, Any] | None = None) -> bytes:
    exif = Image.Exif()
    exif.update(tags)
    exif.get_ifd(0x8769).update(inner or {})
    return saved(kind, exif=exif)


def flac(*comments: str, magic: bytes = b"fLaC") -> bytes:
    body = struct.pack("<I4sI", 4, b"weft", len(comments))
    for comment in comments:
        body += struct.pack("<I", len(comment.encode())) + comment.encode()
    info = b"\0" + (34).to_bytes(3, "big") + bytes(34)
    return magic + info + b"\x84" + len(body).to_bytes(3, "big") + body + b"sound"


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def data_box(value: str) -> bytes:
    return box(b"data", struct.pack(">II", 1, 0), value.encode())


def mp4(*in_moov: bytes) -> bytes:
    return box(b"ftyp", b"isom", bytes(4)) + box(b"mdat", bytes(100)) + box(b"moov", box(b"mvhd", bytes(8)), *in_moov)


def keyed_mp4(**values: str) -> bytes:
    keys = box(b"keys", struct.pack(">II", 0, len(values)), *(box(b"mdta", name.encode()) for name in values))
    items = [box(struct.pack(">I", number), data_box(value)) for number, value in enumerate(values.values(), 1)]
    return mp4(box(b"meta", box(b"hdlr", bytes(25)), keys, box(b"ilst", *items)))


def commented_mp4(comment: str) -> bytes:
    items = box(b"ilst", box(b"\xa9too", data_box("Lavf")), box(b"\xa9cmt", data_box(comment)))
    return mp4(box(b"udta", box(b"meta", bytes(4), box(b"hdlr", bytes(25)), items)))


def vorbis(**comments: str) -> bytes:
    stored = [f"{name}={value}".encode() for name, value in comments.items()]
    return (
        struct.pack("<II", 0, len(stored)) + b"".join(struct.pack("<I", len(each)) + each for each in stored) + b"\1end"
    )


def ogg(first: bytes, second: bytes, page: int = 100) -> bytes:
    """The two packets of headers and one of sound; a page holds `page` pieces of 255 bytes."""

    def lengths(packet: bytes) -> list[int]:
        return [255] * (len(packet) // 255) + [len(packet) % 255]

    packets = (first, second, b"sound")
    pages = [(lengths(packets[0]), packets[0])]
    rest, body = [length for packet in packets[1:] for length in lengths(packet)], b"".join(packets[1:])
    for at in range(0, len(rest), page):
        taken = sum(rest[at : at + page])
        pages.append((rest[at : at + page], body[:taken]))
        body = body[taken:]
    return b"".join(
        b"OggS"
        + struct.pack("<BBqIIIB", 0, 2 if number == 0 else 0, 0, 7, number, 0, len(table))
        + bytes(table)
        + content
        for number, (table, content) in enumerate(pages)
    )


def element(kind: str, *parts: bytes, size: int | None = None) -> bytes:
    body = b"".join(parts)
    return bytes.fromhex(kind) + struct.pack(">Q", (len(body) if size is None else size) | 1 << 56) + body


def webm(*, live: bool = False, **tags: str) -> bytes:
    unknown = (1 << 56) - 1 if live else None
    simple = [
        element("67C8", element("45A3", name.encode()), element("4487", value.encode())) for name, value in tags.items()
    ]
    cluster = element("1F43B675", element("A3", bytes(50)), size=unknown)
    tagged = element("1254C367", element("7373", element("63C0"), *simple))
    return element("1A45DFA3", bytes(10)) + element("18538067", cluster, tagged, size=unknown)


def mp3(version: int, encoding: int, codec: str, **texts: str) -> bytes:
    def size(count: int) -> bytes:
        shifts = (21, 14, 7, 0)
        return bytes(count >> shift & 0x7F for shift in shifts) if version == 4 else count.to_bytes(4, "big")

    frames = [b"TIT2" + size(4) + bytes(2) + b"\3Cat"]
    end = b"\0\0" if codec.startswith("utf-16") else b"\0"
    for name, value in texts.items():
        body = bytes([encoding]) + name.encode(codec) + end + value.encode(codec)
        frames.append(b"TXXX" + size(len(body)) + bytes(2) + body)
    tag = b"".join(frames) + bytes(10)
    return (
        b"ID3"
        + bytes([version, 0, 0])
        + bytes(len(tag) >> shift & 0x7F for shift in (21, 14, 7, 0))
        + tag
        + b"\xff\xfb"
    )


def exr(**texts: str) -> bytes:
    parts = [(b"channels", b"chlist", b"\0")] + [
        (name.encode(), b"string", each.encode()) for name, each in texts.items()
    ]
    stored = (name + b"\0" + kind + b"\0" + struct.pack("<I", len(each)) + each for name, kind, each in parts)
    return struct.pack("<II", 20000630, 2) + b"".join(stored) + b"\0" + b"pixels"


def user_comment(value: str, encoding: str) -> bytes:
    return b"UNICODE\0" + value.encode(encoding)


BOTH = {
    "png tEXt": png(text("prompt", P), text("workflow", W)),
    "png zTXt": png(
        *(chunk(b"zTXt", k + b"\0\0" + zlib.compress(v.encode())) for k, v in ((b"prompt", P), (b"workflow", W)))
    ),
    "png iTXt": png(
        *(chunk(b"iTXt", k + b"\0\0\0en\0k\0" + v.encode()) for k, v in ((b"prompt", P), (b"workflow", W)))
    ),
    "png comf": png(*(chunk(b"comf", k + b"\0" + v.encode()) for k, v in ((b"prompt", P), (b"workflow", W)))),
    "png Exif": png(chunk(b"eXIf", Image.Exif().tobytes()), text("Prompt", P), text("Workflow", W)),
    "jpeg": with_exif("JPEG", {0x0110: f"prompt:{P}", 0x010F: f"workflow:{W}"}),
    "webp": with_exif("WEBP", {0x0110: f"prompt:{P}", 0x010F: f"workflow:{W}"}),
    "webp description": with_exif("WEBP", {0x010E: f"Workflow:{W}", 0x010D: f"Prompt: {P}"}),
    "jpeg comment le": with_exif("JPEG", {}, {0x9286: user_comment(f'{{"prompt":{P},"workflow":{W}}}', "utf-16-le")}),
    "jpeg comment be": with_exif("JPEG", {}, {0x9286: user_comment(f'{{"prompt":{P},"workflow":{W}}}', "utf-16-be")}),
    "jpeg comment bom": with_exif("JPEG", {}, {0x9286: user_comment(f'{{"prompt":{P},"workflow":{W}}}', "utf-16")}),
    "jpeg comment ascii": with_exif("JPEG", {0x010F: f"workflow:{W}"}, {0x9286: b"ASCII\0\0\0prompt:" + P.encode()}),
    "jpeg COM": saved("JPEG", comment=json.dumps({"prompt": P, "workflow": WORKFLOW}).encode()),
    "flac": flac("ARTIST=me", f"PROMPT={P}", f"workflow={W}"),
    "opus": ogg(b"OpusHead", b"OpusTags" + vorbis(prompt=P, workflow=W)),
    "opus on many pages": ogg(b"OpusHead", b"OpusTags" + vorbis(x="y" * 1100, prompt=P, workflow=W), page=1),
    "ogg vorbis": ogg(b"\1vorbis", b"\3vorbis" + vorbis(PROMPT=P, WORKFLOW=W)),
    "ogg flac": ogg(b"\x7fFLAC", b"\x84\0\0\0" + vorbis(prompt=P, workflow=W)),
    "webm": webm(PROMPT=P, WORKFLOW=W),
    "webm live": webm(live=True, DURATION="1", PROMPT=P, WORKFLOW=W),
    "mp3 2.4": mp3(4, 3, "utf-8", prompt=P, workflow=W),
    "mp3 2.3": mp3(3, 1, "utf-16", prompt=P, workflow=W),
    "mp3 latin": mp3(4, 0, "latin-1", prompt=P, workflow=W),
    "exr": exr(owner="me", prompt=P, workflow=W),
    "mp4 keys": keyed_mp4(encoder="Lavf", prompt=P, workflow=W),
    "mp4 comment": commented_mp4(json.dumps({"prompt": P, "workflow": WORKFLOW})),
    "mp4 quicktime": mp4(
        box(b"udta", box(b"\xa9cmt", bytes(4), json.dumps({"prompt": PROMPT, "workflow": W}).encode()))
    ),
}


@pytest.mark.parametrize("name", BOTH)
def test_both_are_found(name: str) -> None:
    content = BOTH[name]
    assert is_container(content[:16])
    found = read(content)
    assert (found.prompt, found.workflow) == (PROMPT, WORKFLOW)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_png_as_comfyui_writes_it(zipped: bool, tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("prompt", P, zip=zipped)
    info.add_itxt("workflow", W, zip=zipped)
    path = tmp_path / "picture.png"
    path.write_bytes(saved("PNG", pnginfo=info))
    assert is_container(path)
    assert read(path) == Embedded("PNG", PROMPT, WORKFLOW, ("prompt", "workflow"))
    with path.open("rb") as stream:
        assert read(stream).prompt == PROMPT


def test_what_weft_says_of_the_making() -> None:
    made = {"version": "0.1.0", "sampling": "comfy"}
    assert read(png(text("prompt", P), text("weft", json.dumps(made)))).made == made
    assert read(with_exif("WEBP", {0x0110: f"prompt:{P}", 0x010E: f"weft:{json.dumps(made)}"})).made == made
    for broken in ("{", "none", "[1]"):
        found = read(png(text("prompt", P), text("weft", broken)))
        assert (found.prompt, found.made) == (PROMPT, None)
    with pytest.raises(UnreadableWorkflow, match="holds no workflow"):
        read(png(text("weft", json.dumps(made))))


def test_one_is_enough() -> None:
    assert read(png(text("workflow", W))).prompt is None
    assert read(png(text("prompt", P))).workflow is None
    assert read(png(text("prompt", P), text("workflow", "null"))).workflow is None


def test_text_after_the_pixels_and_the_last_of_two() -> None:
    later = png(text("prompt", '{"0": {}}')).removesuffix(chunk(b"IEND", b"")) + text("prompt", P) + chunk(b"IEND", b"")
    assert read(later).prompt == PROMPT


def test_nan_as_comfyui_writes_it() -> None:
    found = read(png(text("prompt", '{"1": {"class_type": "A", "is_changed": [NaN]}}')))
    assert found.prompt is not None
    assert found.prompt["1"]["is_changed"][0] != found.prompt["1"]["is_changed"][0]


def test_latin_1_text() -> None:
    assert read(png(chunk(b"tEXt", b'prompt\0{"a": "\xe9"}'))).prompt == {"a": "é"}


def test_json_written_twice() -> None:
    assert read(png(text("workflow", json.dumps(W)))).workflow == WORKFLOW


def test_plain_text_called_prompt_is_someone_elses() -> None:
    assert read(png(text("prompt", "a cat"), text("workflow", W))) == Embedded(
        "PNG", None, WORKFLOW, ("prompt", "workflow")
    )
    with pytest.raises(UnreadableWorkflow, match="text chunks 'prompt'"):
        read(png(text("prompt", "a cat")))


def test_a_pipe(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    thread = threading.Thread(target=lambda: (os.write(writer, BOTH["flac"]), os.close(writer)))
    thread.start()
    with os.fdopen(reader, "rb") as stream:
        assert read(stream, "-").prompt == PROMPT
    thread.join()


class Watched(io.BytesIO):
    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.taken += len(found)
        return found


@pytest.mark.parametrize(
    "content",
    [
        png(text("prompt", P), chunk(b"IDAT", bytes(50_000_000)), text("workflow", W)),
        box(b"ftyp", b"isom")
        + struct.pack(">I4sQ", 1, b"mdat", 50_000_016)
        + bytes(50_000_000)
        + keyed_mp4(workflow=W)[16:],
    ],
    ids=["png", "mp4"],
)
def test_of_fifty_megabytes_only_the_metadata_is_read(content: bytes) -> None:
    stream = Watched(content)
    assert read(stream).workflow == WORKFLOW
    assert stream.taken < 2000


REFUSED = {
    "automatic1111": (
        png(text("parameters", "a cat\nSteps: 20")),
        "a PNG of 512x512 with text chunks 'parameters' (this is automatic1111",
    ),
    "bare": (png(), "a PNG of 512x512 without metadata"),
    "bare jpeg": (saved("JPEG"), "a JPEG without metadata"),
    "camera": (with_exif("JPEG", {0x010F: "Canon", 0x0110: "EOS"}), "a JPEG with Exif tags 'Make', 'Model'"),
    "song": (flac("ARTIST=me"), "a FLAC with comments 'ARTIST'"),
    "film": (commented_mp4("holidays"), "an MP4 with metadata"),
    "gif": (saved("GIF"), "is a GIF; workflows are read from PNG, JPEG, WebP, FLAC, MP4, Ogg, "),
    "avif": (box(b"ftyp", b"avif"), "is an AVIF or HEIC; workflows are read from"),
    "bare webm": (webm(), "a WebM or Matroska without metadata"),
    "bad webm": (b"\x1aE\xdf\xa3" + bytes(40), "a damaged WebM or Matroska: what stands at byte 0 is no element"),
    "long element": (webm()[:40], "a damaged WebM or Matroska: an element at byte"),
    "opus of a song": (ogg(b"OpusHead", b"OpusTags" + vorbis(ARTIST="me")), "an Ogg with comments 'ARTIST'"),
    "bad ogg": (b"OggS" + bytes(60), "is a damaged Ogg: no page starts at byte 27"),
    "mp3 of a song": (mp3(4, 3, "utf-8", artist="me"), "an MP3 with tags 'artist'"),
    "bare exr": (exr(owner="me"), "an OpenEXR with attributes 'owner'"),
    "long attribute": (exr(prompt=P)[:60], "is a damaged OpenEXR: its attribute 'prompt' should be"),
    "exr of zeros": (b"\x76\x2f\x31\x01" + b"x" * 300, "an attribute's name at byte 8 has no end"),
    "old mp3": (b"ID3\2" + bytes(20), "an MP3 without metadata"),
    "long frame": (
        mp3(4, 3, "utf-8")[:10] + b"TXXX" + b"\0\0\x7f\0" + bytes(19),
        "is a damaged MP3: a frame of its tag",
    ),
    "text": (b"hello", "no picture, sound or video"),
    "empty": (b"", "no picture, sound or video"),
    "broken JSON": (png(text("prompt", '{"1": ')), "the prompt in x is no JSON: Expecting value at line 1, column 7"),
    "deep JSON": (png(text("prompt", '{"a":' * 200_000)), "nested too deeply"),
    "checksum": (
        png(text("prompt", P).replace(b"seed", b"feed")),
        "text chunk 'prompt' does not agree with its checksum",
    ),
    "bad deflate": (png(chunk(b"zTXt", b"prompt\0\0" + b"not deflate")), "text chunk 'prompt' cannot be inflated"),
    "short deflate": (
        png(chunk(b"zTXt", b"prompt\0\0" + zlib.compress(P.encode())[:-9])),
        "ends before its compressed text does",
    ),
    "long chunk": (
        PNG_MAGIC + struct.pack(">I4s", 2**31 - 1, b"tEXt") + b"prompt",
        "chunk 'tEXt' at byte 8 should be 2,147,483,647 bytes; it ends after 6",
    ),
    "short segment": (b"\xff\xd8\xff\xe1\0\0" + bytes(90), "the segment at byte 2 says that it has 0 bytes"),
    "no segment": (b"\xff\xd8\xff\xe0\0\2" + bytes(90), "byte 6 should start a segment, but is 0x0"),
    "long WebP chunk": (
        b"RIFF" + struct.pack("<I4s4sI", 1000, b"WEBP", b"EXIF", 900) + b"II",
        "chunk 'EXIF' at byte 12 should be 900 bytes; it ends after 2",
    ),
    "Exif order": (png(chunk(b"eXIf", b"no TIFF")), "is no byte order"),
    "Exif offset": (
        png(chunk(b"eXIf", b"II*\0" + struct.pack("<I", 5000))),
        "its Exif of 8 bytes ends before byte 5,000",
    ),
    "Exif length": (
        png(chunk(b"eXIf", struct.pack("<4sIHHHII", b"II*\0", 8, 1, 0x110, 2, 2**31, 0) + bytes(4))),
        "Exif tag 0x0110 says that it ends at byte",
    ),
    "long comment": (flac().replace(b"weft\0\0\0\0", b"weft\1\0\0\0"), "its comments of 12 bytes end before byte 16"),
    "long box": (
        box(b"ftyp", b"isom") + struct.pack(">I4s", 5000, b"moov"),
        "box 'moov' at byte 12 should be 5,000 bytes of the 8 left",
    ),
    "short box": (box(b"ftyp", b"isom") + struct.pack(">I4s", 4, b"moov"), "box 'moov' at byte 12 should be 4 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_none_says_what_it_is(name: str) -> None:
    content, message = REFUSED[name]
    with pytest.raises(UnreadableWorkflow) as caught:
        read(content, "x")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    assert not is_container(tmp_path / "missing.png")
    assert not is_container(tmp_path)
    for path in (tmp_path / "missing.png", tmp_path, "a\0b.png"):
        with pytest.raises(UnreadableWorkflow, match="cannot read"):
            read(path)


@pytest.mark.parametrize("name", BOTH)
def test_a_truncated_file_is_a_clear_error_or_has_both(name: str) -> None:
    content = BOTH[name]
    for length in range(0, len(content), 7):
        try:
            found = read(content[:length])
        except UnreadableWorkflow as error:
            assert len(str(error)) < 1000
        else:
            assert found.prompt in (PROMPT, None)
            assert found.workflow in (WORKFLOW, None)


def bomb(kind: bytes, megabytes: int) -> bytes:
    deflater = zlib.compressobj()
    packed = b"".join(deflater.compress(bytes(1_000_000)) for _ in range(megabytes)) + deflater.flush()
    return chunk(kind, (b"prompt\0\0" if kind == b"zTXt" else b"prompt\0\1\0\0\0") + packed)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_bomb_is_not_inflated(kind: bytes) -> None:
    with pytest.raises(UnreadableWorkflow, match=r"inflates to more than 67,108,864 bytes"):
        read(png(bomb(kind, 100)))


def test_many_bombs_cost_no_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    inflated: list[int] = []
    inflate = containers._inflated
    monkeypatch.setattr(containers, "_inflated", lambda *arguments: inflated.append(1) or inflate(*arguments))
    with pytest.raises(UnreadableWorkflow):
        read(png(*[bomb(b"zTXt", 1)] * 500))
    assert len(inflated) == 1


def test_tags_that_claim_the_same_bytes_are_paid_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_BYTES", 1_000_000)
    claim = b'{"a": "' + b"x" * 300_000 + b'"}'
    tags = b"".join(struct.pack("<HHII", 0x010E, 2, len(claim), 10 + 12 * 60_000) for _ in range(60_000))
    with pytest.raises(UnreadableWorkflow, match="beyond 1,000,000 bytes of metadata"):
        read(png(chunk(b"eXIf", struct.pack("<4sIH", b"II*\0", 8, 60_000) + tags[: 12 * 60_000] + claim)))


def test_a_file_of_nothing_but_headers_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_PARTS", 1000)
    with pytest.raises(UnreadableWorkflow, match="more than 1,000 parts"):
        read(png(*[chunk(b"tIME", b"")] * 2000))


def test_directories_that_point_at_each_other_end() -> None:
    circle = struct.pack("<4sIHHHIII", b"II*\0", 8, 1, 0x8769, 4, 1, 8, 0)
    with pytest.raises(UnreadableWorkflow, match="without metadata"):
        read(png(chunk(b"eXIf", circle)))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(BOTH)),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 4), st.binary(max_size=9)), max_size=6),
)
def test_a_corrupted_file_is_a_clear_error_or_a_result(name: str, edits: list[tuple[int, int, bytes]]) -> None:
    content = BOTH[name]
    for place, cut, put in edits:
        place %= len(content) + 1
        content = content[:place] + put + content[place + cut :]
    try:
        found = read(content)
    except UnreadableWorkflow as error:
        assert len(str(error)) < 2000
    else:
        assert found.prompt is not None or found.workflow is not None


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([b"\xff\xd8\xff", PNG_MAGIC, b"fLaC", b"\0\0\0\x0cftypisom", b"RIFF\xff\0\0\0WEBP"]),
    st.binary(max_size=300),
)
def test_noise_after_a_magic_number(magic: bytes, noise: bytes) -> None:
    with pytest.raises(UnreadableWorkflow):
        read(magic + noise)
