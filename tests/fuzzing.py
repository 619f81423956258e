"""Files made bad at random, and read: whatever is in a file, reading it works or is one clean error, and stays small.

    python tests/fuzzing.py                    from a random seed, until stopped
    python tests/fuzzing.py --cases N          seeds 0 to N-1 of every target
    python tests/fuzzing.py --seconds S        from a random seed, so long
    python tests/fuzzing.py TARGET SEED        one case again, its files in the folder that is named

All of it runs in this one process, whose memory is limited. A failure is a line `FAILED TARGET SEED: why`; each case is
named before it runs, so that the last line names the one that ended the process.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import re
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1] / "src")]

from mutations import mutated, mutated_bytes  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
MEMORY = 384 << 20
"""Bytes that reading one case may take, at most, beyond what the process has before."""
LOADING = 8 << 30
"""The same for good files, which are the first to need the libraries."""
CPU_SECONDS = 30
"""No file of these takes a tenth of it; one that takes more hangs."""
PIXELS = 1 << 20
_NAME = re.compile(r"\w[\w.-]{0,99}")


@dataclass(frozen=True)
class Sample:
    """Good content as data, and the files (name -> bytes) that it is packed into; the first one is read."""

    data: Any
    pack: Callable[[Any], dict[str, bytes]]


@dataclass(frozen=True)
class Target:
    """A kind of file: good ones, and how one is read, by the path of the first file."""

    samples: Callable[[], list[Sample]]
    read: Callable[[Path], Any]
    refuses: bool = False
    """Whether some of the good ones are refused, by a plain error: workflows that want other models."""


class Hangs(BaseException):
    """A case takes too long; no exception that a reader catches."""


def case(target: str, samples: list[Sample], seed: int) -> dict[str, bytes]:
    """The files of a case: the same for the same target and seed."""
    random = Random(f"{target} {seed}")
    sample = random.choice(samples)
    files = sample.pack(sample.data)
    if random.random() < 0.75:
        # What cannot be packed into files is none.
        with contextlib.suppress(Exception):
            packed = sample.pack(mutated(sample.data, random))
            if all(isinstance(content, bytes) and _NAME.fullmatch(name) for name, content in packed.items()):
                files = packed
                if random.random() < 0.8:
                    return files
    name = random.choice(list(files))
    return {**files, name: mutated_bytes(files[name], random)}


READ, REFUSED = "read", "refused"


def outcome(target: Target, files: Mapping[str, bytes], folder: Path, most: int) -> str:
    """READ, REFUSED, or else what is wrong with how the files are read. `most`: bytes that it may take."""
    from weft.engine.errors import InvalidWorkflow, WeftError
    from weft.nodes.diffusion.errors import DiffusionError

    for name, content in files.items():
        (folder / name).write_bytes(content)
    found, before = READ, _limited(most)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        target.read(folder / next(iter(files)))
    except InvalidWorkflow:
        found = REFUSED
    except (WeftError, DiffusionError) as error:
        found = f"an error of several lines: {str(error)!r:.300}" if "\n" in str(error) else REFUSED
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a traceback is what must not be, whatever it is of
        found = "".join(traceback.format_exception(error))[-2500:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        for place in folder.iterdir():
            place.unlink()
    taken = _peak() - before
    return found if taken <= most else f"it took {taken >> 20} MiB, {most >> 20} are allowed: {found}"


# Weights, latents, embeddings.


def _safetensors(name: str) -> Callable[[Any], dict[str, bytes]]:
    def pack(data: Any) -> dict[str, bytes]:
        header = _json(data["header"])
        return {name: len(header).to_bytes(8, "little") + header + data["body"]}

    return pack


def _zipped(name: str) -> Callable[[Any], dict[str, bytes]]:
    def pack(data: Any) -> dict[str, bytes]:
        stream = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
            warnings.simplefilter("ignore")  # two records of one name
            for record, content in data:
                archive.writestr(zipfile.ZipInfo(record), content)
        return {name: stream.getvalue()}

    return pack


def _split(content: bytes) -> dict[str, Any]:
    end = 8 + int.from_bytes(content[:8], "little")
    return {"header": json.loads(content[8:end]), "body": content[end:]}


def _saved(value: Any, name: str, **options: Any) -> list[Sample]:
    """What torch.save writes: whole, and record by record."""
    import torch

    stream = io.BytesIO()
    torch.save(value, stream, **options)
    whole = Sample(stream.getvalue(), _as_it_is(name))
    if not zipfile.is_zipfile(stream):
        return [whole]
    with zipfile.ZipFile(stream) as archive:
        records = [[record, archive.read(record)] for record in archive.namelist()]
    return [whole, Sample(records, _zipped(name))]


def _weights() -> list[Sample]:
    import torch
    from safetensors.torch import save

    tensors = {"a.weight": torch.ones(4, 3), "a.bias": torch.zeros(3, dtype=torch.float16), "b": torch.tensor(1.0)}
    nested = {"state_dict": {**tensors, "tied": tensors["a.weight"]}, "epoch": 3, "callbacks": [1, "x"]}
    return [
        Sample(_split(save(tensors, {"format": "pt", "notes": "[1]"})), _safetensors("x.safetensors")),
        *_saved(nested, "x.ckpt"),
        *_saved(nested, "y.pt", _use_new_zipfile_serialization=False),
    ]


def _gguf(data: Any) -> dict[str, bytes]:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    numbers = {4: "I", 5: "i", 6: "f", 7: "?"}

    def packed(kind: int, value: Any) -> bytes:
        if kind == 9:
            inner, items = value
            return struct.pack("<IQ", inner, len(items)) + b"".join(packed(inner, item) for item in items)
        return text(value) if kind == 8 else struct.pack(f"<{numbers[kind]}", value)

    parts = [b"GGUF", struct.pack("<IQQ", data["version"], len(data["tensors"]), len(data["values"]))]
    for name, (kind, value) in data["values"].items():
        parts += [text(name), struct.pack("<I", kind), packed(kind, value)]
    for name, axes, kind, start in data["tensors"]:
        parts += [text(name), struct.pack(f"<I{len(axes)}QIQ", len(axes), *axes, kind, start)]
    header = b"".join(parts)
    return {"x.gguf": header + bytes(-len(header) % 32) + data["body"]}


def _ggufs() -> list[Sample]:
    blocks = bytes([0, 60, *range(32)]) * 4
    values = {
        "general.architecture": [8, "t5"],
        "general.alignment": [4, 32],
        "tokenizer.ggml.tokens": [9, [8, ["<pad>", "a"]]],
        "tokenizer.ggml.scores": [9, [6, [0.0, -1.0]]],
        "tokenizer.ggml.add_space_prefix": [7, True],
        "comfy.gguf.orig_shape.enc.blk.0.attn_q.weight": [9, [5, [2, 2, 32]]],
    }
    tensors = [["enc.blk.0.attn_q.weight", [32, 4], 8, 0], ["token_embd.weight", [4, 2], 0, 160]]
    data = {"version": 3, "values": values, "tensors": tensors, "body": blocks + bytes(24) + bytes(32)}
    return [Sample(data, _gguf), Sample(_gguf(data)["x.gguf"], _as_it_is("x.gguf"))]


def _embeddings() -> list[Sample]:
    import torch
    from safetensors.torch import save

    vectors = torch.ones(2, 8)
    return [
        Sample(_split(save({"emb_params": vectors})), _safetensors("e.safetensors")),
        Sample(_split(save({"clip_l": vectors, "clip_g": torch.zeros(2, 12)})), _safetensors("f.safetensors")),
        Sample(_split(save({"bundle_emb.w.clip_l": vectors})), _safetensors("l.safetensors")),
        *_saved({"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "step": 5}, "e.pt"),
        *_saved([{"a": vectors}, {"b": torch.ones(8)}], "f.pt"),
    ]


def _latents() -> list[Sample]:
    import torch

    from weft.nodes.diffusion.values.latentfile import latent_bytes

    content = latent_bytes(torch.ones(1, 4, 2, 2), {"prompt": "{}"})
    return [Sample(_split(content), _safetensors("x.latent"))]


# Pictures.


def _chunks(name: str) -> Callable[[Any], dict[str, bytes]]:
    """A PNG of chunks, [kind, body] each, whose checksums are right."""

    def pack(data: Any) -> dict[str, bytes]:
        parts = [b"\x89PNG\r\n\x1a\n"]
        for kind, body in data:
            kind = (kind.encode("latin-1") + b"xxxx")[:4]
            body = body if isinstance(body, bytes) else _text_chunk(*body)
            parts.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
        return {name: b"".join(parts)}

    return pack


def _text_chunk(keyword: str, document: Any) -> bytes:
    return keyword.encode("latin-1") + b"\0" + _json(document)


def _chunks_of(content: bytes) -> list[list[Any]]:
    found, place = [], 8
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        found.append([content[place + 4 : place + 8].decode(), content[place + 8 : place + 8 + length]])
        place += length + 12
    return found


def _drawn(kind: str, mode: str = "RGB", frames: int = 1, **options: Any) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    size = (24, 16)
    pictures = [Image.linear_gradient("L").resize(size).convert(mode).rotate(90 * turn) for turn in range(frames)]
    more = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
    pictures[0].save(stream, kind, **more, **options)
    return stream.getvalue()


def _pictures() -> list[Sample]:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "workflow:{}"
    drawn = {
        "a.png": _drawn("PNG", "RGBA"),
        "b.png": _drawn("PNG", "P", transparency=0),
        "c.png": _drawn("PNG", "I;16"),
        "d.png": _drawn("PNG", "RGB", 3),
        "a.gif": _drawn("GIF", "P", 3),
        "a.webp": _drawn("WEBP", "RGBA", exif=exif),
        "b.webp": _drawn("WEBP", "RGB", 3),
        "a.jpg": _drawn("JPEG", exif=exif),
        "b.jpg": _drawn("JPEG", "CMYK", progressive=True),
        "a.tif": _drawn("TIFF", "RGB", 2),
        "b.tif": _drawn("TIFF", "F"),
        "a.bmp": _drawn("BMP"),
        "a.ico": _drawn("ICO", "RGBA"),
        "a.tga": _drawn("TGA", "RGBA"),
        "a.ppm": _drawn("PPM"),
    }
    if "JPEG2000" in Image.SAVE:
        drawn["a.jp2"] = _drawn("JPEG2000")
    whole = [Sample(content, _as_it_is(name)) for name, content in drawn.items()]
    by_chunk = [Sample(_chunks_of(drawn[f"{name}.png"]), _chunks(f"{name}.png")) for name in "abcd"]
    return whole + by_chunk * 2


def _read_picture(path: Path) -> None:
    from weft.nodes.diffusion.errors import DiffusionError
    from weft.nodes.diffusion.values.imagefile import load_image, load_mask

    with contextlib.suppress(DiffusionError):
        load_mask(path, "alpha", PIXELS)
    load_image(path, PIXELS)


# What people write by hand.

EXTRA_PATHS = {
    "comfyui": {"base_path": "~/x", "is_default": True, "checkpoints": "models/checkpoints", "loras": "a\nb\n"},
    "other": {"vae": "${HOME}/vae", "clip": "c"},
}
YAML = "a: &x\n  base_path: /m\n  checkpoints: |\n    one\n    two\nb:\n  <<: *x\n  loras: !!str 5\n  is_default: yes\n"
ROWS = """filename,5.seed,positive.text
one/a,7,"red apple, on a table"
one/b,,"two
lines and ""quotes"" in them"
"""
JSON_ROWS = """{"filename": "a", "5.seed": 7, "positive.text": "red apple"}
{"5.cfg": 1.5, "5.seed": null}
{"positive.text": "\\u00e9", "on": true}
"""
WEFT_TOML = """models = ["models", "~/more"]
input = 'in'
device = "cpu"
dtype = "float32"
sampling = "continuous"
prompt_schedule = true
max_pixels = 1_000
"""
PYPROJECT = """[tool.weft.test]
models = "workflows/models"
input = "in"
device = "cpu"
dtype = "float32"
sampling = "comfy"
class = "device"
[[tool.weft.test.tolerance]]
node = "KSampler"
class = "exact"
"""


def _yaml(data: Any) -> dict[str, bytes]:
    import yaml

    return {"extra_model_paths.yaml": yaml.safe_dump(data, allow_unicode=True).encode(errors="replace")}


def _read_extra_paths(path: Path) -> None:
    from weft.engine.folders import Folders

    places = {name: path.parent / name for name in ("input", "output", "temp")}
    Folders(models=[path.parent / "models"], **places).folders("checkpoints")


def _read_settings(path: Path) -> None:
    from weft.engine.settings import Settings
    from weft.nodes.core.settings import SETTINGS

    Settings.load({}, SETTINGS, folder=path.parent)


def _read_options(path: Path) -> None:
    from weft.engine.testing.settings import options_for

    options_for(path.parent)


def _read_rows(path: Path) -> None:
    from weft.engine.sweeping.axes import Columns
    from weft.engine.sweeping.rows import csv_axis, jsonl_axis

    (csv_axis if path.suffix == ".csv" else jsonl_axis)(path, Columns({}, lambda _: True))


# Goldens.


def _golden(data: Any) -> dict[str, bytes]:
    from weft.engine.testing.goldens import self_digest

    document = data["document"]
    if isinstance(document, dict):
        # A digest that is right lets what is wrong come further.
        document = {**document, "digest": self_digest(document)}
    return {"txt2img.golden.json": _json(document), **data["files"]}


def _goldens() -> list[Sample]:
    from weft.nodes.diffusion.testing import measures

    measures.MAX_PIXELS = PIXELS
    folder = ROOT / "workflows"
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("txt2img.golden.*")) if path.suffix != ".json"}
    return [Sample({"document": json.loads((folder / "txt2img.golden.json").read_text()), "files": files}, _golden)]


def _read_golden(path: Path) -> None:
    from weft.engine.testing.goldens import read_golden
    from weft.engine.testing.instrument import find_instrument

    read_golden(path, find_instrument())


# Workflows.


def _workflows() -> list[Sample]:
    tricky = ROOT / "tests" / "conformance" / "tricky"
    saves = [ROOT / "workflows" / "txt2img.json", *sorted(tricky.glob("*.workflow.json"))]
    prompts = [ROOT / "workflows" / "txt2img.api.json", *sorted(tricky.glob("*.prompt.json"))]
    return [Sample(json.loads(path.read_text()), _document) for path in (*saves, *prompts)]


def _put_checkpoint(folder: Path) -> None:
    """Weft's own model under the name that the workflows have for theirs, so that some of them are planned."""
    folder.mkdir(parents=True)
    [shipped] = (ROOT / "workflows" / "models" / "checkpoints").glob("*.safetensors")
    (folder / "v1-5-pruned-emaonly-fp16.safetensors").symlink_to(shipped)


def _document(data: Any) -> dict[str, bytes]:
    return {"w.json": _json(data)}


def _carried() -> list[Sample]:
    """Pictures and the like with a prompt and a workflow in them."""
    from PIL import Image

    prompt, workflow = (json.loads((ROOT / "workflows" / f"txt2img{end}.json").read_text()) for end in (".api", ""))
    exif = Image.Exif()
    exif[0x0110], exif[0x010F] = f"prompt:{json.dumps(prompt)}", f"workflow:{json.dumps(workflow)}"
    plain = _chunks_of(_drawn("PNG"))
    texts = [["tEXt", ["prompt", prompt]], ["tEXt", ["workflow", workflow]], ["tEXt", ["weft", {"version": "1"}]]]
    packed = zlib.compress(_json(workflow))
    zipped = [["zTXt", b"prompt\0\0" + zlib.compress(_json(prompt))], ["iTXt", b"workflow\0\1\0\0\0" + packed]]
    comments = [_vorbis(f"{name}={json.dumps(value)}") for name, value in (("prompt", prompt), ("workflow", workflow))]
    block = _vorbis("weft") + struct.pack("<I", 2) + b"".join(comments)
    return [
        *[Sample([*plain[:1], *texts, *plain[1:]], _chunks("p.png"))] * 3,
        Sample([*plain[:1], *zipped, *plain[1:]], _chunks("z.png")),
        Sample(_drawn("JPEG", exif=exif), _as_it_is("p.jpg")),
        Sample(_drawn("WEBP", exif=exif), _as_it_is("p.webp")),
        Sample(b"fLaC\x84" + len(block).to_bytes(3, "big") + block, _as_it_is("p.flac")),
        Sample(_ogg(b"OpusTags" + block), _as_it_is("p.opus")),
        Sample(_webm({"PROMPT": prompt, "WORKFLOW": workflow}), _as_it_is("p.webm")),
        Sample(_mp3({"prompt": prompt, "workflow": workflow}), _as_it_is("p.mp3")),
        Sample(_mp4(json.dumps({"prompt": prompt, "workflow": workflow}).encode()), _as_it_is("p.mp4")),
    ]


def _vorbis(text: str) -> bytes:
    return struct.pack("<I", len(text.encode())) + text.encode()


def _ogg(comments: bytes) -> bytes:
    def page(kind: int, table: list[int], content: bytes) -> bytes:
        return b"OggS" + struct.pack("<BBqIIIB", 0, kind, 0, 7, 0, 0, len(table)) + bytes(table) + content

    pieces = [255] * (len(comments) // 255) + [len(comments) % 255]
    pages = [page(2, [8], b"OpusHead")]
    for at in range(0, len(pieces), 20):
        start = at * 255
        pages.append(page(0, pieces[at : at + 20], comments[start : start + sum(pieces[at : at + 20])]))
    return b"".join(pages)


def _webm(tags: Mapping[str, Any]) -> bytes:
    def element(kind: str, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return bytes.fromhex(kind) + struct.pack(">Q", len(content) | 1 << 56) + content

    simple = [
        element("67C8", element("45A3", name.encode()), element("4487", _json(value))) for name, value in tags.items()
    ]
    segment = (element("1F43B675", bytes(30)), element("1254C367", element("7373", *simple)))
    return element("1A45DFA3", bytes(8)) + element("18538067", *segment)


def _mp3(texts: Mapping[str, Any]) -> bytes:
    def size(count: int) -> bytes:
        return bytes(count >> shift & 0x7F for shift in (21, 14, 7, 0))

    bodies = [b"\3" + name.encode() + b"\0" + _json(value) for name, value in texts.items()]
    tag = b"".join(b"TXXX" + size(len(body)) + bytes(2) + body for body in bodies)
    return b"ID3\4\0\0" + size(len(tag)) + tag


def _mp4(comment: bytes) -> bytes:
    def box(kind: bytes, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return struct.pack(">I4s", len(content) + 8, kind) + content

    named = box(b"ilst", box(b"\xa9cmt", box(b"data", bytes(8), comment)))
    meta = box(b"meta", bytes(4), box(b"hdlr", bytes(25)), named)
    return box(b"ftyp", b"isom", bytes(4)) + box(b"moov", box(b"udta", meta))


def _read_workflow(path: Path) -> None:
    """All that is done with a workflow before it runs."""
    from xml.etree import ElementTree

    from weft.engine.drawing.formats import drawn
    from weft.engine.drawing.sources import scene_of
    from weft.engine.errors import WeftError
    from weft.engine.formats.sources import load
    from weft.engine.session import Session

    if "session" not in _KEPT:
        _KEPT["session"] = Session()
    session = _KEPT["session"]
    for to in ("api", "ui"):
        with contextlib.suppress(WeftError):
            json.dumps(session.convert(path, to, keep_unknown=to == "ui")[0])
    with contextlib.suppress(WeftError):
        drawing, _ = scene_of(load(path), session.registry)
        ElementTree.fromstring(drawn(drawing, "svg"))
    prompt = session.read(path)
    issues = session.issues(prompt)
    json.dumps([issue.to_json() for issue in (*issues, *session.notes(prompt))])
    session.plan(prompt)


_KEPT: dict[str, Any] = {}


def _as_it_is(name: str) -> Callable[[Any], dict[str, bytes]]:
    return lambda content: {name: content}


def _text(name: str) -> Callable[[Any], dict[str, bytes]]:
    return lambda text: {name: text.encode(errors="replace")}


def _json(data: Any) -> bytes:
    text = json.dumps(data, default=lambda value: value.decode("latin-1"), ensure_ascii=False)
    return text.encode(errors="replace")


def _documents_of(name: str, text: str) -> Callable[[], list[Sample]]:
    return lambda: [Sample(text, _text(name))]


def _read_weights(path: Path) -> None:
    from weft.nodes.diffusion.weights.weightfile import read_tensors

    for tensor in read_tensors(path).values():
        tensor.float().sum()


def _read_embedding(path: Path) -> None:
    from weft.nodes.diffusion.text.embeddings import load_embedding

    load_embedding(path, "clip_l", 8)


def _read_latent(path: Path) -> None:
    from weft.nodes.diffusion.values.latentfile import read_latent

    read_latent(path)


TARGETS: Mapping[str, Target] = {
    "weights": Target(_weights, _read_weights),
    "gguf": Target(_ggufs, _read_weights),
    "embedding": Target(_embeddings, _read_embedding),
    "latent": Target(_latents, _read_latent),
    "picture": Target(_pictures, _read_picture),
    "extra-paths": Target(
        lambda: [Sample(EXTRA_PATHS, _yaml), Sample(YAML, _text("extra_model_paths.yaml"))],
        _read_extra_paths,
    ),
    "weft.toml": Target(_documents_of("weft.toml", WEFT_TOML), _read_settings),
    "pyproject.toml": Target(_documents_of("pyproject.toml", PYPROJECT), _read_options),
    "rows.csv": Target(_documents_of("rows.csv", ROWS), _read_rows),
    "rows.jsonl": Target(_documents_of("rows.jsonl", JSON_ROWS), _read_rows),
    "golden": Target(_goldens, _read_golden),
    "workflow": Target(_workflows, _read_workflow, refuses=True),
    "carried": Target(_carried, _read_workflow),
}


def _peak() -> int:
    """The most memory, in bytes, that the process had since _limited."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def _limited(most: int) -> int:
    """Let the process get no more than twice of `most` from here on, whatever a file asks for; the bytes it has now."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    held, resident = (int(pages) * resource.getpagesize() for pages in Path("/proc/self/statm").read_text().split()[:2])
    resource.setrlimit(resource.RLIMIT_AS, (held + 2 * most, resource.RLIM_INFINITY))
    return resident


def _cases(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    if options.target:
        yield options.target, options.seed
        return
    first = 0 if options.cases else Random().randrange(1 << 32)
    seeds: Iterable[int] = range(options.cases) if options.cases else itertools.count(first)
    end = time.monotonic() + options.seconds
    for seed in seeds:
        for name in TARGETS:
            yield name, seed
        if not options.cases and time.monotonic() > end:
            return


def _on_alarm(*_: object) -> None:
    raise Hangs(f"it took more than {CPU_SECONDS} s of CPU time")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", choices=TARGETS)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--cases", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    options = parser.parse_args()

    # Nobody's settings, no remembered digests.
    for name in [name for name in os.environ if name.startswith("WEFT_")]:
        del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="weft-fuzz-"))
    os.environ["XDG_CACHE_HOME"] = str(home / "cache")
    os.chdir(home)
    _put_checkpoint(home / "models" / "checkpoints")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _on_alarm)
    samples = {name: target.samples() for name, target in TARGETS.items()}
    folder = home / "files"
    folder.mkdir()
    if options.target:
        again = home / "again"
        again.mkdir()
        for name, content in case(options.target, samples[options.target], options.seed).items():
            (again / name).write_bytes(content)
        print(again)
    # Good files first: reading them loads all that reading needs.
    for name, target in TARGETS.items():
        found = {outcome(target, sample.pack(sample.data), folder, LOADING) for sample in samples[name]}
        for why in found - ({READ, REFUSED} if target.refuses else {READ}):
            print(f"FAILED {name} unchanged: {why}", flush=True)
            return 1
    warnings.simplefilter("error")  # what is wrong with a file is an error or nothing, no warning of a library
    counts = {name: dict.fromkeys((READ, REFUSED, "FAILED"), 0) for name in TARGETS}
    for name, seed in _cases(options):
        print(name, seed, flush=True)
        found = outcome(TARGETS[name], case(name, samples[name], seed), folder, MEMORY)
        counts[name][found if found in (READ, REFUSED) else "FAILED"] += 1
        if found not in (READ, REFUSED):
            print(f"FAILED {name} {seed}: {found}", flush=True)
    if not options.target:
        shutil.rmtree(home, ignore_errors=True)
        print(json.dumps(counts))
    return 1 if any(count["FAILED"] for count in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
