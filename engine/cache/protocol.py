"""Caches of node outputs: whether a key is there is one question, what it holds another.

A plan asks `lookup`, which reads no tensor and answers with a Manifest; a run asks `load` when it comes to that step.
In between, anything may happen to what the manifest speaks of: then `load` gives None, and the step is computed again.
So a run with a cache gives what the run without it gives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol


class Absent(Enum):
    """What stands in a slot whose value a cache has not, or was not asked for; a run takes no value from there."""

    ABSENT = "not kept"


ABSENT: Final = Absent.ABSENT

Warned = tuple[bytes, str]
"""A warning: the digest of the CacheKey of the node that gave it, and its text."""


class CacheKey(NamedTuple):
    """32 bytes, and why they are good for this run only (empty: they are good for ever)."""

    digest: bytes
    volatile: str = ""


class Manifest(NamedTuple):
    """What a cache has under a key, without what it holds: plain data, which may go to another process.

    `key` is the key under which it is kept, its namespace in front; `files` are those that the node wrote, `contents`
    the digests (blake2b-256) of what was in them, where the cache knows: in a later process, they may be other files.
    `absent` are the output slots of which the value is not there (outside of a process there are no models), or is not
    asked for.
    """

    key: bytes
    files: tuple[Path, ...] = ()
    contents: tuple[bytes, ...] = ()
    absent: tuple[int, ...] = ()


@dataclass(frozen=True)
class Entry:
    """What a node gave: its output slots (`weft.engine.values`), its `ui`, and the files that it wrote.

    Of one that a cache gave, slots may be ABSENT. `warnings` is what was said of these outputs, by the node and by all
    that it is computed from, sources first: the digest of who said it, and the text. So it is known wherever the
    outputs are, whatever became of the entries of those others. `blocked` is how many of its calls were not made, since
    what they would have got was blocked.
    """

    outputs: tuple[Any, ...]
    ui: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    warnings: tuple[Warned, ...] = ()
    blocked: int = 0


def strung_together(shown: Iterable[Mapping[str, Any]], found: dict[str, list[Any]] | None = None) -> dict[str, Any]:
    """The `ui` of several, put after what is `found`: lists are strung together by their kind."""
    found = {} if found is None else found
    for ui in shown:
        for kind, items in ui.items():
            found.setdefault(kind, []).extend(items if isinstance(items, list | tuple) else [items])
    return found


def is_whole(outputs: Iterable[Any], absent: Collection[int] = ()) -> bool:
    """Whether none of these is ABSENT, but for those at the places that may be."""
    return all(value is not ABSENT or slot in absent for slot, value in enumerate(outputs))


class Recipe(NamedTuple):
    """What a node was last computed from, kept to say why it is computed again.

    `links` holds, by input, the key of the node that it took from, `files` the digests of the files that it names, by
    FOLDER/NAME, `facts` what computed it, by name. `title` is for people alone.
    """

    class_type: str
    version: str
    inputs: Mapping[str, Any]
    links: Mapping[str, bytes]
    key: bytes
    files: Mapping[str, bytes]
    facts: Mapping[str, Any]
    title: str = ""


class Cache(Protocol):
    """Where outputs are kept. A key is a namespace, which says what computed, and the digest of a CacheKey.

    One that has an attribute `steps`, another cache, keeps the states of nodes that go step by step there: these have a
    limit of their own.
    """

    def lookup(self, key: bytes) -> Manifest | None:
        """Whether there is an entry, without reading it; being asked for makes it recent."""

    def load(self, manifest: Manifest) -> Entry | None:
        """The entry that a manifest speaks of; None where it is not there (any more), or another process has it.

        The slots that the manifest calls absent need not be read. Others may be ABSENT, too, if it was put anew since.
        """

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep the entry, or do not: a cache may refuse."""

    def recall(self, node_id: str) -> Recipe | None:
        """What the node of this id was last computed from."""

    def note(self, node_id: str, recipe: Recipe) -> None:
        """Remember what the node of this id is computed from."""


class NoCache:
    """Keeps nothing."""

    def lookup(self, key: bytes) -> Manifest | None:
        return None

    def load(self, manifest: Manifest) -> Entry | None:
        return None

    def put(self, key: bytes, entry: Entry) -> None:
        pass

    def recall(self, node_id: str) -> Recipe | None:
        return None

    def note(self, node_id: str, recipe: Recipe) -> None:
        pass


def steps_of(cache: Cache) -> Cache | None:
    """Where a cache keeps states between the steps of nodes; None: nowhere."""
    found: Cache | None = getattr(cache, "steps", None)
    return found
