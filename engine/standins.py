"""Stand-ins: small files in the place of those that a workflow names and that are not there.

A stand-in has the name of what it stands for, in a folder that is searched last, so that nothing else need know of it.
Cache keys hold the content of files: what was computed with a stand-in is never taken for the real thing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from weft.engine.cache.code import own_digest
from weft.engine.errors import Issue
from weft.engine.folders import Folders
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.packs import Packs, resolve
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files
from weft.engine.wholefiles import write_whole
from weft.engine.workflow.prompt import Prompt

CODE = "stand_in"
"""Of the notes that say what stands in for what."""

Nodes = Mapping[str, tuple[NodeSchema, Mapping[str, Any]]]
"""Node id -> what its class declares, and its inputs, values and Links."""


class StandIn(NamedTuple):
    """What stands in for a file: its content, or a file that has it; `what` is what people are told that it is."""

    content: bytes | Path
    what: str


class Maker(Protocol):
    """Makes stand-ins for one workflow."""

    release: str
    """What its stand-ins have in common: those of two workflows of one release are the same files."""

    def make(self, kind: str, name: str) -> StandIn | None:
        """What stands in for the file of this kind (the name of its folder); None where nothing can."""


class StandIns(Protocol):
    """What a pack has to stand in for files; `Pack.stand_ins` says where it is."""

    def maker(self, named: Sequence[tuple[str, str]], folders: Folders, *, full: bool) -> Maker:
        """The maker for a workflow that names these files, by kind. `full`: of the sizes that it asks for."""

    def smaller(self, nodes: Nodes) -> tuple[Mapping[tuple[str, str], Any], Sequence[str]]:
        """The inputs that make a workflow a small one of the same logic, and what was changed, for people."""


LONGEST_NAME = 255
"""Bytes that file systems take in a name."""


class Supply:
    """What stands in for the missing files of one workflow, made when they are first looked for."""

    def __init__(self, packs: Packs, nodes: Nodes, folders: Folders, *, full: bool) -> None:
        named = [
            (spec.socket.folder, value)
            for schema, inputs in nodes.values()
            for name, spec in schema.given(inputs).items()
            if isinstance(spec.socket, Files) and isinstance(value := inputs.get(name), str)
        ]
        self._makers = [each.maker(named, folders, full=full) for each in _of(packs)]
        self.notes: list[Issue] = []
        self._told: set[tuple[str, str]] = set()
        # Another version of Weft may have made others.
        release = "-".join([*(maker.release for maker in self._makers), *["full"] * full, own_digest()[-8:]])
        self.root = folders.output_folder("temp") / "stand-ins" / release

    def __call__(self, kind: str, name: str) -> Path | None:
        """The file that stands in for one that is not there. Raises OSError where it cannot be written."""
        place = self.root / kind / name
        for maker in self._makers:
            found = maker.make(kind, name)
            if found is None:
                continue
            if not self._may_lie(kind, place):
                return None
            if not place.is_file():
                _put(place, found.content)
            if (kind, name) not in self._told:
                self._told.add((kind, name))
                self.notes.append(Issue(CODE, f"{name}: {found.what} stands in for it"))
            return place
        return None

    def _may_lie(self, kind: str, place: Path) -> bool:
        """Whether a file can be there: not where a folder is named, nor below another file, nor by too long a name."""
        if any(len(os.fsencode(part)) > LONGEST_NAME for part in place.parts):
            return False
        folder = self.root / kind
        above = [each for each in place.parents if folder in each.parents]
        return place != folder and not place.is_dir() and not any(each.is_file() for each in above)


def known(prompt: Prompt, registry: Registry) -> Nodes:
    """The nodes of a prompt whose classes are known."""
    return {
        node_id: (registry[node.class_type], node.inputs)
        for node_id, node in prompt.nodes.items()
        if node.class_type in registry
    }


def smaller(prompt: Prompt, packs: Packs, nodes: Nodes) -> tuple[Prompt, list[Issue]]:
    """The prompt as a small one of the same logic, and what was changed."""
    notes: list[Issue] = []
    for each in _of(packs):
        changes, said = each.smaller(nodes)
        prompt = prompt.with_values(changes)
        notes += [Issue(CODE, text) for text in said]
    return prompt, notes


def _of(packs: Packs) -> list[StandIns]:
    return [resolve(pack.stand_ins) for pack in packs if pack.stand_ins]


def _put(place: Path, content: bytes | Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if isinstance(content, bytes):
        write_whole(place, content)
        return
    # A link where the system has them; it is put there whole, as a file is.
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as folder:
        partial = Path(folder) / "part"
        try:
            os.symlink(content.resolve(), partial)
        except OSError:
            shutil.copyfile(content, partial)
        with suppress(FileExistsError):
            os.replace(partial, place)
