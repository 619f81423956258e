"""The cache key: blake2b-256 over a canonical encoding of what a node computes from. Never str(), repr() or pickle.

    key(node) = blake2b-256(canonical([KEY_VERSION, class_type, implementation]) + canonical([inputs, ...]))

where ... is the node's id, its fingerprint and its IS_CHANGED, for classes that have them. The implementation is the
version that a class states, with the digest of its pack's .py files. Code that was put into a registry by hand has what
tells it from any other code that this process has had in place of the digest: such keys are good for the process.
Ids, titles and positions are not in it: the same subgraph under other ids has the same keys. Only an input that gets
its Link has the id of its source there, since the id is what the node computes from. A volatile key belongs to
this run alone, and so do the keys of everything below it.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from weft.engine.cache.protocol import CacheKey
from weft.engine.folders import Folders
from weft.engine.planning.digests import Digests, Sighting
from weft.engine.schema.node import RunnableNode
from weft.engine.schema.sockets import Files, Listed
from weft.engine.workflow.prompt import Link

KEY_VERSION = 1
UNNAMED = "+"

_NO_FILES: Mapping[str, Sighting] = {}
"""Most nodes name no file: they share this one."""


class FileDigest(NamedTuple):
    """Stands in a key for the content of a file."""

    digest: bytes


class _LinkedKey(NamedTuple):
    digest: bytes
    slot: int


class HasKey(Protocol):
    """A node whose key is known."""

    @property
    def key(self) -> CacheKey:
        """Its key."""


class KeyMaker:
    """Makes the keys of nodes, parents first."""

    def __init__(self, folders: Folders, digests: Digests) -> None:
        self._folders = folders
        self._digests = digests
        self._heads: dict[RunnableNode, bytes] = {}

    def key(
        self, node_id: str, node: RunnableNode, inputs: Mapping[str, Any], parents: Mapping[str, HasKey]
    ) -> tuple[CacheKey, Mapping[str, Sighting]]:
        """The key of one node, and the files whose content is in it, as they were then.

        `inputs` are coerced constants and Links; `parents` holds the nodes that these lead to. Files are called
        `FOLDER/NAME`; those of the node's fingerprint UNNAMED and their place in it. Raises MissingFile for one that is
        not there.
        """
        options, links = node.options, node.links
        by_name = node.schema.given(inputs)
        volatile = options.volatile
        keyed: dict[str, Any] = {}
        files: dict[str, Sighting] = {}
        for name, value in inputs.items():
            spec = by_name.get(name)
            socket = spec.socket if spec is not None else None
            if type(value) is Link:
                parent = parents[value.node_id].key
                if parent.volatile:
                    volatile = f"node {value.node_id} is volatile"
                elif isinstance(socket, Listed):
                    volatile = (
                        f"input {name!r} names a {socket.noun} that is known only when node {value.node_id} has run"
                    )
                linked = _LinkedKey(parent.digest, value.slot)
                keyed[name] = (linked, value.node_id) if name in links else linked
            elif isinstance(socket, Files) and value not in socket.extra_choices:
                path = self._folders.find(socket.folder, value, socket.suffixes)
                seen = files[f"{socket.folder}/{value}"] = self._digests.see(path)
                keyed[name] = FileDigest(seen.digest)
            else:
                keyed[name] = value
        parts: list[Any] = [keyed]
        if node.by_node_id:
            parts.append(node_id)
        if options.fingerprint is not None:
            constants = {name: value for name, value in inputs.items() if type(value) is not Link}
            found = list(options.fingerprint(self._folders, constants))
            for number, item in enumerate(found):
                if isinstance(item, Path):
                    seen = files[f"{UNNAMED}{number}"] = self._digests.see(item)
                    found[number] = FileDigest(seen.digest)
            parts.append(found)
        if options.is_changed is not None:
            changed, reason = _is_changed(options.is_changed, inputs, node.schema.hidden_before(node_id))
            volatile = reason or volatile
            parts.append(changed)
        if volatile:
            return CacheKey(os.urandom(32), volatile), files or _NO_FILES
        try:
            encoded = self._head(node) + canonical(parts)
        except TypeError as error:
            return CacheKey(os.urandom(32), f"{FORMLESS}{error}"), files or _NO_FILES
        return CacheKey(hashlib.blake2b(encoded, digest_size=32).digest()), files or _NO_FILES

    def _head(self, node: RunnableNode) -> bytes:
        """The part of a key that all nodes of a class share."""
        head = self._heads.get(node)
        if head is None:
            told = [KEY_VERSION, node.schema.class_type, node.version]
            head = self._heads[node] = canonical([*told, node.code] if node.code else told)
        return head


FORMLESS = "an input has no canonical form: "
"""How the reason begins for which a node is volatile that was given an object, as nodes inside expansions are."""

RAISED = "IS_CHANGED raised "
"""How the reason begins for which a node is volatile whose IS_CHANGED failed."""


def _is_changed(function: Callable[..., Any], inputs: Mapping[str, Any], hidden: Mapping[str, Any]) -> tuple[Any, str]:
    """ComfyUI's IS_CHANGED: what it returns joins the key; NaN or an exception makes the node volatile."""
    given = {name: None if type(value) is Link else value for name, value in inputs.items()}
    try:
        changed = function(**given, **hidden)
    except Exception as error:  # the author's code: whatever it raises has the one meaning that ComfyUI gives it
        return None, f"{RAISED}{type(error).__name__}: {error}"
    if isinstance(changed, float) and changed != changed:
        return None, "IS_CHANGED returned NaN"
    return changed, ""


def canonical(value: Any) -> bytes:
    """Bytes that are equal exactly for equal values of equal type: 1, 1.0, True and "1" all differ, and [1] and (1,).

    Takes None, bool, int, float, str, bytes, lists, tuples, dicts with text keys (in any order), and the parts of keys.
    Raises TypeError for everything else, also where it is nested too deeply.
    """
    pieces: list[bytes] = []
    try:
        _ENCODERS[type(value)](value, pieces.append)
    except RecursionError as error:
        raise TypeError("nested too deeply") from error
    return b"".join(pieces)


Write = Callable[[bytes], None]


def _encode_int(value: int, write: Write) -> None:
    write(b"i%d;" % value)


def _encode_float(value: float, write: Write) -> None:
    # Every NaN is the same NaN; 0.0 and -0.0 differ.
    write(b"f" + (struct.pack(">d", value) if value == value else b"\x7f\xf8" + b"\0" * 6))


def _encode_str(value: str, write: Write) -> None:
    write(_spelled(value))


def _spelled(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(encoded), encoded)


_name = lru_cache(4096)(_spelled)
"""The same for the name of an input, which every node of a class has."""


def _encode_bytes(value: bytes, write: Write) -> None:
    write(b"b%d:" % len(value) + value)


def _encode_list(value: list[Any], write: Write) -> None:
    write(b"l%d[" % len(value))
    for item in value:
        _ENCODERS[type(item)](item, write)


def _encode_tuple(value: tuple[Any, ...], write: Write) -> None:
    write(b"u%d[" % len(value))
    for item in value:
        _ENCODERS[type(item)](item, write)


def _encode_dict(value: dict[str, Any], write: Write) -> None:
    write(b"d%d{" % len(value))
    for name in sorted(value):
        if type(name) is not str:
            raise TypeError(f"a dict with a key of type {type(name).__qualname__}")
        write(_name(name))
        item = value[name]
        _ENCODERS[type(item)](item, write)


def _encode_link(value: _LinkedKey, write: Write) -> None:
    write(b"L%d:%b" % (value.slot, value.digest))


class _Encoders(dict[type, Callable[[Any, Write], None]]):
    def __missing__(self, kind: type) -> Callable[[Any, Write], None]:
        raise TypeError(f"{kind.__module__}.{kind.__qualname__}")


_ENCODERS = _Encoders(
    {
        type(None): lambda value, write: write(b"n"),
        bool: lambda value, write: write(b"t" if value else b"F"),
        int: _encode_int,
        float: _encode_float,
        str: _encode_str,
        bytes: _encode_bytes,
        list: _encode_list,
        tuple: _encode_tuple,
        dict: _encode_dict,
        _LinkedKey: _encode_link,
        FileDigest: lambda value, write: write(b"D" + value.digest),
    }
)
