"""NAME.golden.json: how it is read, checked and written. Never repaired: what is broken is an error that says how.

    NAME.golden.json          nodes, digests, statistics, the birth certificate; small pictures and tensors beside it:
    NAME.golden.safetensors   tensors, each under its digest
    NAME.golden.NODE.N.png    the pictures that output nodes wrote

`digest` in the golden covers all of it but `tolerances`, which is there to be edited by hand; every tensor and picture
is checked against the digest under which the golden has it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from engine.errors import UsageError
from engine.folders import write_whole
from engine.testing.instrument import Instrument, Tensor
from engine.testing.records import GOLDEN_VERSION, Birth, NodeRecord, Record, Recording, TensorLeaf

FORMAT = "weft-golden"
SUFFIX = ".golden.json"
SMALL = 256 << 10
"""Bytes of a tensor that is kept unless all or none is asked for: a 128 x 128 picture, the latent of 1024 x 1024."""

KEEPING = ("small", "all", "none")


class BrokenGolden(UsageError):
    """A golden that cannot be used: truncated, tampered with, from a newer version, of another workflow."""


class How(Record):
    """How the workflow was run, which a check repeats; `keep` is one of KEEPING, or a number of KiB."""

    sampling: str
    overrides: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    keep: str = "small"


class Document(Record):
    """What stands in the file."""

    format: str
    version: int
    digest: str = ""
    workflow: str
    how: How
    birth: Birth
    nodes: dict[str, NodeRecord]
    tensors: tuple[str, ...] = ()
    pictures: dict[str, str] = Field(default_factory=dict)
    tolerances: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Golden:
    """A golden that was read: its document, and the tensors that it keeps, by digest."""

    path: Path
    document: Document
    tensors: Mapping[str, Tensor]

    @property
    def recording(self) -> Recording:
        """What was recorded."""
        return Recording(self.document.birth, self.document.nodes)


def golden_path(workflow: Path) -> Path:
    """Where the golden of a workflow file is: beside it, `.json` replaced."""
    return workflow.with_name(workflow.stem + SUFFIX)


def read_golden(path: Path, instrument: Instrument) -> Golden:
    """Read a golden with its tensors and pictures. Raises BrokenGolden saying what is wrong with which file."""
    document = read_document(path)
    if golden_path(path.with_name(Path(document.workflow).name)) != path:
        raise _broken(path, f"it is of another workflow, recorded of {document.workflow!r}")
    tensors: dict[str, Tensor] = {}
    if document.tensors:
        file = _tensor_file(path)
        try:
            tensors.update(instrument.read_tensors(file))
        except (OSError, ValueError) as error:
            raise _broken(path, f"its tensors cannot be read: {error}") from error
        if set(tensors) != set(document.tensors):
            raise _broken(path, f"{file.name} is not the file that was written with it: other tensors are in it")
    for digest, name in document.pictures.items():
        picture = instrument.read_picture(_beside(path, name))
        if picture is None:
            raise _broken(path, f"its picture {name} is missing or damaged")
        tensors[digest] = picture
    for digest, tensor in tensors.items():
        if instrument.digest(tensor) != digest:
            name = document.pictures.get(digest, _tensor_file(path).name)
            raise _broken(path, f"{name} was changed since: its content has another digest than the golden says")
    return Golden(path, document, tensors)


def read_document(path: Path) -> Document:
    """Read the JSON alone. Raises BrokenGolden."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _broken(path, f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _broken(path, "it is no text in UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _broken(path, f"it is truncated or no JSON: {error.msg} at {where}") from error
    except RecursionError as error:
        raise _broken(path, "it is nested too deeply") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _broken(path, f'it does not say "format": "{FORMAT}"')
    version = data.get("version")
    if type(version) is not int or version > GOLDEN_VERSION:
        hint = "update Weft" if type(version) is int else ""
        raise _broken(path, f"its version is {version!r}, this Weft reads up to {GOLDEN_VERSION}", hint)
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _broken(path, f"{place}: {first['msg']}") from error
    if document.digest != self_digest(data):
        hint = "take the change back, or run `weft test accept`; only `tolerances` is there to be edited"
        raise _broken(path, "it was changed by hand: its content has another digest than it says", hint)
    return document


def self_digest(data: Mapping[str, Any]) -> str:
    """The digest of a golden's JSON data, but for the digest itself and what people may edit."""
    covered = {name: value for name, value in data.items() if name not in ("digest", "tolerances")}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


def write_golden(
    path: Path,
    workflow: str,
    how: How,
    recording: Recording,
    tensors: Mapping[str, Tensor],
    instrument: Instrument,
) -> list[Path]:
    """Write a golden and the files beside it, over those of an older one, whose tolerances stay; returns the files.

    The JSON is written last: until then the old golden stands, and says what is wrong if the process dies in between.
    """
    old = _stale(path)
    tolerances = old.tolerances if old is not None else ()
    written: list[Path] = []
    pictures: dict[str, str] = {}
    for node_id, place, leaf in _written_pictures(recording.nodes):
        if leaf.digest in tensors and leaf.digest not in pictures:
            name = f"{path.name.removesuffix('.json')}.{re.sub(r'[^0-9A-Za-z_-]', '_', node_id)}.{place}.png"
            write_whole(path.with_name(name), instrument.png(tensors[leaf.digest]))
            pictures[leaf.digest] = name
            written.append(path.with_name(name))
    wanted_ones = _tensor_leaves(recording.nodes.values(), how.keep)
    kept = {
        leaf.digest: tensors[leaf.digest]
        for leaf in wanted_ones
        if leaf.digest in tensors and leaf.digest not in pictures
    }
    file = _tensor_file(path)
    if kept:
        write_whole(file, instrument.tensor_bytes(kept))
        written.append(file)
    document = Document(
        format=FORMAT,
        version=GOLDEN_VERSION,
        workflow=workflow,
        how=how,
        birth=recording.birth,
        nodes=recording.nodes,
        tensors=tuple(sorted(kept)),
        pictures=pictures,
        tolerances=tolerances,
    )
    data = json.loads(json.dumps(document.model_dump(exclude_defaults=True)))
    data["digest"] = self_digest(data)
    write_whole(path, _text(data).encode())
    stale = {_beside(path, name) for name in old.pictures.values()} if old is not None else set()
    for leftover in {*stale, file} - set(written):
        leftover.unlink(missing_ok=True)
    return [path, *written]


def _text(data: Mapping[str, Any]) -> str:
    """Indented JSON, so that a change reads well in a diff, with shapes, links and samples in one line each."""
    text = json.dumps(data, indent=1)
    pieces = r"-?[\d.]+(?:e[+-]?\d+)?|\"[^\"\\\\]*\""
    return re.sub(rf"\[\s+((?:{pieces})(?:,\s+(?:{pieces}))*)\s+\]", _in_one_line, text) + "\n"


def _in_one_line(match: re.Match[str]) -> str:
    # Only what stands between the items: a text among them keeps its own spaces.
    return "[" + re.sub(r",\n\s+", ", ", match[1]) + "]"


def wanted(leaf: TensorLeaf, keep: str) -> bool:
    """Whether a golden keeps this tensor; `keep` is one of KEEPING, or a number of KiB."""
    if keep in KEEPING:
        return keep == "all" or (keep == "small" and _bytes(leaf) <= SMALL)
    return _bytes(leaf) <= int(keep) << 10


def _bytes(leaf: TensorLeaf) -> int:
    count = 1
    for side in leaf.shape:
        count *= side
    # float16 and float64 are off by a factor of two, which matters to nobody here.
    return count * (1 if leaf.dtype in ("uint8", "bool", "int8") else 4)


def _tensor_leaves(nodes: Iterable[NodeRecord], keep: str) -> Iterable[TensorLeaf]:
    return (leaf for node in nodes for _, _, leaf in node.leaves() if leaf.kind == "tensor" and wanted(leaf, keep))


def _written_pictures(nodes: Mapping[str, NodeRecord]) -> Iterable[tuple[str, int, TensorLeaf]]:
    """The pictures that nodes wrote, but for those that move: node id, number of the file, the leaf."""
    for node_id, node in nodes.items():
        for number, value in enumerate(value for value in node.values if value.name.startswith("file ")):
            for leaf in value.leaves.values():
                if value.type == "IMAGE" and leaf.kind == "tensor" and leaf.shape[0] == 1:
                    yield node_id, number, leaf


def _stale(path: Path) -> Document | None:
    """The golden that is about to be replaced, if one is there that can be read."""
    try:
        return read_document(path)
    except BrokenGolden:
        return None


def _tensor_file(path: Path) -> Path:
    return path.with_suffix(".safetensors")


def _beside(path: Path, name: str) -> Path:
    """A file beside the golden; a name that leaves its folder is as good as missing."""
    return path.with_name(Path(name).name)


def _broken(path: Path, what: str, hint: str = "record it again: weft test record --force") -> BrokenGolden:
    return BrokenGolden(f"golden {path}: {what}", hint=hint)
