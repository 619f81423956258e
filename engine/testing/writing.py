"""Writes goldens: the new one is there whole, or the old one still is, whatever happens meanwhile.

The files beside the JSON are named after what is in them, so that they are written beside those of the old golden; the
rename of the JSON makes them the golden; only then what belongs to none goes, also what a killed process left.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from weft.engine.errors import UsageError, WeftError
from weft.engine.locks import locked
from weft.engine.testing.goldens import FORMAT, KEEPING, GoldenFile, How, self_digest
from weft.engine.testing.instrument import Instrument, Tensor
from weft.engine.testing.records import GOLDEN_VERSION, NodeRecord, Recording, TensorLeaf
from weft.engine.wholefiles import write_whole

SMALL = 256 << 10
"""Bytes of a tensor that is kept unless all or none is asked for: a 128 x 128 picture, the latent of 1024 x 1024."""

_NODE_LETTERS = 40
_DIGEST_LETTERS = 16


def write_golden(
    path: Path,
    workflow: str,
    how: How,
    recording: Recording,
    tensors: Mapping[str, Tensor],
    instrument: Instrument,
    *,
    new: bool = False,
) -> list[Path]:
    """Write a golden and the files beside it; returns them, the JSON first. The tolerances of an older one stay.

    `new`: one that is there is not replaced. Raises WeftError where it cannot be written; what was there stands then.
    """
    pictures, beside = _pictures(path, recording, tensors, instrument)
    wanted_ones = _tensor_leaves(recording.nodes.values(), how.keep)
    kept = {
        leaf.digest: tensors[leaf.digest]
        for leaf in wanted_ones
        if leaf.digest in tensors and leaf.digest not in pictures
    }
    tensor_file = None
    if kept:
        tensor_file = f"{_stem(path)}.{_short(_digest(kept))}.safetensors"
        beside[tensor_file] = instrument.tensor_bytes(kept)
    with locked(path.parent):
        if new and path.exists():
            raise UsageError(f"{path} was recorded by another process meanwhile", hint="--force replaces it")
        document = GoldenFile(
            format=FORMAT,
            version=GOLDEN_VERSION,
            workflow=workflow,
            how=how,
            birth=recording.birth,
            nodes=recording.nodes,
            tensors=tuple(sorted(kept)),
            tensor_file=tensor_file,
            pictures=pictures,
            tolerances=_tolerances(path),
        )
        data = json.loads(json.dumps(document.model_dump(exclude_defaults=True)))
        data["digest"] = self_digest(data)
        try:
            _replace(path, (json_text(data) + "\n").encode(), beside)
        except OSError as error:
            what = f"golden {path}: it cannot be written: {error.strerror or error}"
            raise WeftError(what, hint="what was there before stands") from error
        _sweep(path, beside)
    return [path, *(path.with_name(name) for name in beside)]


def _replace(path: Path, content: bytes, beside: Mapping[str, bytes]) -> None:
    """Write all files, the golden last. Raises OSError, and leaves then what was there."""
    # One name for all, since the folder is locked: a file of that name is what a killed process left.
    meanwhile = f".{_stem(path)}.part"
    path.with_name(meanwhile).unlink(missing_ok=True)
    made: list[Path] = []
    try:
        for name, part in beside.items():
            place = path.with_name(name)
            if not place.exists():
                made.append(place)
            write_whole(place, part, meanwhile=meanwhile)
        write_whole(path, content, meanwhile=meanwhile)
    except BaseException:
        # What came just after the rename changes nothing: the new golden stands, and needs them.
        for place in made if not _holds(path, content) else ():
            with suppress(OSError):
                place.unlink(missing_ok=True)
        raise


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _sweep(path: Path, beside: Iterable[str]) -> None:
    """Remove the files that belonged to an older golden, or to one that was never finished.

    What cannot be removed now is in nobody's way.
    """
    kept = {path.name, *beside}
    stem = re.escape(_stem(path))
    # No dot in NODE: a.golden.x.golden.7.0.png is of another golden.
    ours = re.compile(rf"{stem}\.(([0-9a-f]+\.)?safetensors|[0-9A-Za-z_-]*\.[0-9]+(\.[0-9a-f]+)?\.png)")
    with suppress(OSError):
        for place in list(path.parent.iterdir()):
            if ours.fullmatch(place.name) and place.name not in kept:
                place.unlink(missing_ok=True)


def json_text(value: Any, indent: int = 0) -> str:
    """JSON, indented so that a change reads well in a diff; a list of texts and numbers stands in one line."""
    inner = "\n" + " " * (indent + 1)
    if isinstance(value, Mapping) and value:
        items = (f"{json.dumps(name)}: {json_text(part, indent + 1)}" for name, part in value.items())
    elif isinstance(value, list) and any(isinstance(part, Mapping | list) for part in value):
        items = (json_text(part, indent + 1) for part in value)
    else:
        return json.dumps(value)
    left, right = "{}" if isinstance(value, Mapping) else "[]"
    return left + ",".join(inner + item for item in items) + "\n" + " " * indent + right


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


def _tensor_leaves(nodes: Iterable[NodeRecord], keep: str) -> Iterator[TensorLeaf]:
    for node in nodes:
        for _, _, leaf in node.leaves():
            # The one dtype that safetensors does not know.
            if leaf.kind == "tensor" and leaf.dtype != "complex128" and wanted(leaf, keep):
                yield leaf


def _pictures(
    path: Path, recording: Recording, tensors: Mapping[str, Tensor], instrument: Instrument
) -> tuple[dict[str, str], dict[str, bytes]]:
    """The pictures that nodes wrote, but for those that move: digest -> name, name -> PNG."""
    names: dict[str, str] = {}
    contents: dict[str, bytes] = {}
    for node_id, number, leaf in _written(recording.nodes):
        if leaf.digest in tensors and leaf.digest not in names:
            node = re.sub(r"[^0-9A-Za-z_-]", "_", node_id)[:_NODE_LETTERS]
            name = names[leaf.digest] = f"{_stem(path)}.{node}.{number}.{_short(leaf.digest)}.png"
            contents[name] = instrument.png(tensors[leaf.digest])
    return names, contents


def _written(nodes: Mapping[str, NodeRecord]) -> Iterator[tuple[str, int, TensorLeaf]]:
    for node_id, node in nodes.items():
        for number, value in enumerate(value for value in node.values if value.name.startswith("file ")):
            for leaf in value.leaves.values():
                if value.type == "IMAGE" and leaf.kind == "tensor" and leaf.shape[0] == 1:
                    yield node_id, number, leaf


def _tolerances(path: Path) -> tuple[dict[str, Any], ...]:
    """The tolerances of the golden that is about to be replaced; they were written by hand, so they stay."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["tolerances"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
    is_list = isinstance(found, list) and all(isinstance(table, dict) for table in found)
    return tuple(found) if is_list else ()


def _stem(path: Path) -> str:
    """`NAME.golden`."""
    return path.name.removesuffix(".json")


def _digest(digests: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(sorted(digests)).encode(), digest_size=32).hexdigest()


def _short(digest: str) -> str:
    return digest[:_DIGEST_LETTERS]
