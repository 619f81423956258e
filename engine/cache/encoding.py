"""Entries as a document of plain data, and blobs: what is kept of a value where no process holds it.

A document is JSON. Lists, numbers, texts, booleans and None stand for themselves; the rest is an object with one name:

    {"tuple": [...]}, {"dict": [[key, value], ...]}, {"bytes": hex}, {"blob": [digest, type]}, {"values": [...]},
    {"blocked": message}, {"absent": why}

The last one stands for an output that has no form outside of its process, such as a model. A blob is what the codec of
a value's type makes of it. Types are told exactly, so nothing comes back as something else, and nothing that is read
can do more than its codec: there is no pickle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from weft.engine.cache.protocol import ABSENT, Entry, Recipe
from weft.engine.links import Link
from weft.engine.schema.packs import Codec
from weft.engine.values import ExecutionBlocker, Values

Codecs = Callable[[str], Codec | None]
"""The codec of a value type, `module.Name`; None where it has none."""


class Unkept(Exception):
    """A value has no form outside of its process, and why."""


class Encoded(NamedTuple):
    """A document, and the blobs that it speaks of, by digest."""

    document: bytes
    blobs: dict[bytes, bytes]


class Summary(NamedTuple):
    """What a document says without any blob: the files that the node wrote, the digests of what was in them, and the
    output slots that are absent."""

    files: tuple[Path, ...]
    contents: tuple[bytes, ...]
    absent: tuple[int, ...]


def digest_of(content: bytes) -> bytes:
    """blake2b-256 of a blob: its name."""
    return hashlib.blake2b(content, digest_size=32).digest()


def file_digest(path: Path) -> bytes:
    """blake2b-256 of a file. Raises OSError."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=32)).digest()


def encode(entry: Entry, codecs: Codecs) -> Encoded:
    """An entry as document and blobs; an output without a form is absent.

    Raises Unkept where the rest of it has none, OSError where a file that it wrote cannot be read.
    """
    writer = _Writer(codecs)
    try:
        document = {
            "outputs": [writer.output(value) for value in entry.outputs],
            "ui": writer.tree(dict(entry.ui)),
            "files": [[str(file.absolute()), file_digest(file).hex()] for file in entry.files],
            "warnings": [[digest.hex(), text] for digest, text in entry.warnings],
            **({"blocked": entry.blocked} if entry.blocked else {}),
        }
        return Encoded(json.dumps(document, separators=(",", ":")).encode(), writer.blobs)
    except (RecursionError, ValueError) as error:  # nested too deeply, in itself, or a number of thousands of digits
        raise Unkept(str(error)) from error


def summary(document: bytes) -> Summary:
    """What a document says without any blob."""
    found = json.loads(document)
    files, contents = zip(*found["files"], strict=True) if found["files"] else ((), ())
    absent = (slot for slot, each in enumerate(found["outputs"]) if type(each) is dict and "absent" in each)
    return Summary(tuple(map(Path, files)), tuple(map(bytes.fromhex, contents)), tuple(absent))


def decode(document: bytes, blobs: Callable[[bytes], bytes], codecs: Codecs, absent: Collection[int] = ()) -> Entry:
    """The entry of a document, but for the slots that are to be `absent`; `blobs` reads one.

    Raises Unkept where a type has no codec any more.
    """
    reader = _Reader(blobs, codecs)
    found = json.loads(document)
    outputs = tuple(ABSENT if slot in absent else reader.value(each) for slot, each in enumerate(found["outputs"]))
    files = tuple(Path(place) for place, _ in found["files"])
    warnings = tuple((bytes.fromhex(digest), text) for digest, text in found["warnings"])
    return Entry(outputs, reader.value(found["ui"]), files, warnings, found.get("blocked", 0))


def kinds(document: bytes) -> list[str]:
    """What the outputs of a document are, for people: type names."""
    return [_kind(each) for each in json.loads(document)["outputs"]]


def _kind(tree: Any) -> str:
    if not isinstance(tree, dict):
        return type(tree).__name__
    name, content = next(iter(tree.items()))
    if name == "values":
        return f"list of {len(content)}: {', '.join(dict.fromkeys(map(_kind, content)))}" if content else "empty list"
    return str(content[1]) if name == "blob" else str(name)


def encode_recipe(recipe: Recipe) -> bytes:
    """A recipe as a document. Raises Unkept where an input has no form."""
    tree = _Writer(lambda kind: None).tree
    try:
        inputs = {
            name: {"link": list(value)} if type(value) is Link else tree(value) for name, value in recipe.inputs.items()
        }
        document = {
            "class_type": recipe.class_type,
            "version": recipe.version,
            "inputs": inputs,
            "key": recipe.key.hex(),
            "links": {name: key.hex() for name, key in recipe.links.items()},
            "files": {name: digest.hex() for name, digest in recipe.files.items()},
            "facts": tree(dict(recipe.facts)),
        }
        return json.dumps(document, separators=(",", ":")).encode()
    except (RecursionError, ValueError) as error:
        raise Unkept(str(error)) from error


def decode_recipe(document: bytes) -> Recipe:
    """The recipe of a document. Raises ValueError, KeyError or TypeError for what is none."""
    value = _Reader(lambda digest: b"", lambda kind: None).value
    found = json.loads(document)
    inputs = {
        name: Link(*each["link"]) if type(each) is dict and "link" in each else value(each)
        for name, each in found["inputs"].items()
    }
    links, files = ({name: bytes.fromhex(text) for name, text in found[kind].items()} for kind in ("links", "files"))
    key = bytes.fromhex(found["key"])
    return Recipe(found["class_type"], found["version"], inputs, links, key, files, value(found["facts"]))


class _Writer:
    def __init__(self, codecs: Codecs) -> None:
        self.blobs: dict[bytes, bytes] = {}
        self._codecs = codecs
        # One object is one blob; the entry holds them all meanwhile, so an id is one object's.
        self._written: dict[int, Any] = {}

    def output(self, value: Any) -> Any:
        """The tree of an output. Of one that has none, nothing is written."""
        before = dict(self.blobs), dict(self._written)
        try:
            return self.tree(value)
        except (Unkept, RecursionError) as error:
            self.blobs, self._written = before
            return {"absent": str(error)}

    def tree(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value
        if kind is list:
            return [self.tree(item) for item in value]
        if kind is tuple:
            return {"tuple": [self.tree(item) for item in value]}
        if kind is Values:
            return {"values": [self.tree(item) for item in value]}
        if kind is ExecutionBlocker:
            return {"blocked": value.message}
        if kind is dict:
            return {"dict": [[self.tree(name), self.tree(item)] for name, item in value.items()]}
        if kind is bytes:
            return {"bytes": value.hex()}
        if id(value) not in self._written:
            self._written[id(value)] = self._blob(value, f"{kind.__module__}.{kind.__qualname__}")
        return self._written[id(value)]

    def _blob(self, value: Any, kind: str) -> Any:
        codec = self._codecs(kind)
        if codec is None:
            raise Unkept(f"no pack has a codec of {kind}")
        try:
            content = codec.encode(value)
        except TypeError as error:
            raise Unkept(f"{kind}: {error}") from error
        digest = digest_of(content)
        self.blobs[digest] = content
        return {"blob": [digest.hex(), kind]}


class _Reader:
    def __init__(self, blobs: Callable[[bytes], bytes], codecs: Codecs) -> None:
        self._blobs = blobs
        self._codecs = codecs
        self._read: dict[str, Any] = {}

    def value(self, tree: Any) -> Any:
        if type(tree) is list:
            return [self.value(item) for item in tree]
        if type(tree) is not dict:
            return tree
        ((name, content),) = tree.items()
        if name == "tuple":
            return tuple(self.value(item) for item in content)
        if name == "values":
            return Values(self.value(item) for item in content)
        if name == "blocked":
            return ExecutionBlocker(content)
        if name == "dict":
            return {self.value(key): self.value(item) for key, item in content}
        if name == "bytes":
            return bytes.fromhex(content)
        if name == "absent":
            return ABSENT
        digest, kind = content
        if digest not in self._read:
            codec = self._codecs(kind)
            if codec is None:
                raise Unkept(f"no pack has a codec of {kind}")
            self._read[digest] = codec.decode(self._blobs(bytes.fromhex(digest)))
        return self._read[digest]
