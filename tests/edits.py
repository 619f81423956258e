"""Random worlds of toy nodes, and random edits of all that a run in them is computed from: for tests of caches.

python tests/edits.py SEED ...      the keys of the nodes of these worlds, one JSON object a line
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1] / "src")]

from toys import (  # noqa: E402
    DTYPES,
    ENDS,
    FILES,
    FLAVOURS,
    INNER,
    KINDS,
    MODELS,
    ODDS,
    SOURCES,
    STABLE,
    Block,
    Box,
    N,
    Outside,
    registry,
)

from weft.engine.cache.protocol import Cache, NoCache  # noqa: E402
from weft.engine.cancel import CancelToken  # noqa: E402
from weft.engine.errors import NodeError  # noqa: E402
from weft.engine.events import Observer  # noqa: E402
from weft.engine.planning.digests import Digests  # noqa: E402
from weft.engine.planning.plan import Planner  # noqa: E402
from weft.engine.running.result import RunResult  # noqa: E402
from weft.engine.schema.packs import Codec  # noqa: E402
from weft.engine.schema.registry import Registry  # noqa: E402
from weft.engine.session import Session  # noqa: E402
from weft.engine.workflow.prompt import Prompt  # noqa: E402

__all__ = ["ODDS", "STABLE", "Outside", "World", "keys", "rewrite", "told"]

Graph = dict[str, dict[str, Any]]


class World:
    """All that the outcome of a run depends on. `edit` changes one thing of it, and says which."""

    def __init__(self, folder: Path, chance: Random, classes: Collection[str] = tuple(KINDS)) -> None:
        self.folder = folder
        self.chance = chance
        self.version, self.factor = 1, 1
        self.settings = {"flavour": "plain", "dtype": "auto"}
        self.overrides: dict[str, Any] = {}
        self.order: list[str] = []
        self.graph: Graph = {}
        self.made = 0
        for place in self._places():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(chance.choice("xyz"))
        for _ in range(chance.randrange(3, 12)):
            self.insert(chance.choice([name for name in INNER if name in classes]))
        ends = [name for name in ENDS if name in classes]
        for kind in chance.sample(ends, chance.randrange(1, len(ends) + 1)):
            self.insert(kind)

    @staticmethod
    def codecs(kind: str) -> Codec | None:
        """The codecs of the pack."""
        return registry(1, 1).packs.codec(kind)

    @property
    def registry(self) -> Registry:
        """The code of the nodes as it is now."""
        return registry(self.version, self.factor)

    def session(self, output: Path, cache: Cache | None = None) -> Session:
        """A session in this world that writes to a folder of its own, `output` and `temp` in it."""
        return Session(
            registry=self.registry, cache=cache if cache is not None else NoCache(), models=[self.folder / "models"],
            input=self.folder / "input", output=output / "output", temp=output / "temp", **self.settings,
        )  # fmt: skip

    def _places(self) -> list[Path]:
        models = [self.folder / "models" / "checkpoints" / name for name in MODELS]
        return models + [self.folder / "input" / name for name in FILES]

    # The graph.

    def sources(self, socket: str, before: int) -> Iterator[list[Any]]:
        """What a link of the socket may lead to, from the node at a place of the order."""
        for node_id in self.order[:before]:
            for slot, output in enumerate(KINDS[self.graph[node_id]["class_type"]].outputs):
                if output == socket:
                    yield [node_id, slot]

    def source(self, socket: str, before: int) -> list[Any]:
        found = list(self.sources(socket, before))
        if found and self.chance.random() < 0.9:
            return self.chance.choice(found)
        return [self.insert(SOURCES[socket], before), 0]

    def insert(self, class_type: str, before: int | None = None) -> str:
        """A new node of the class, at a place of the order; what it needs and is not there is made too."""
        kind = KINDS[class_type]
        length, place = len(self.order), len(self.order) if before is None else before
        inputs: dict[str, Any] = {}
        for name, socket in kind.links.items():
            inputs[name] = self.source(socket, place + len(self.order) - length)
        inputs |= {name: draw(self.chance) for name, draw in kind.constants.items()}
        self.made += 1
        node_id = str(self.made)
        self.graph[node_id] = {"class_type": class_type, "inputs": inputs}
        self.order.insert(place + len(self.order) - length, node_id)
        return node_id

    def replace(self, old: str, new: str) -> None:
        """Links to one node lead to another one from now on, at the slots that they had."""
        for each in self.graph.values():
            for name, value in each["inputs"].items():
                if _is_link(value) and value[0] == old:
                    each["inputs"][name] = [new, value[1]]

    # Edits.

    def edit(self) -> str:
        """Change one thing, at random."""
        while True:
            name, weight = self.chance.choice(list(_EDITS.items()))
            if self.chance.random() < weight and getattr(self, name)():
                return name

    def constant(self) -> bool:
        places = [(each, name) for each in self.graph.values() for name in KINDS[each["class_type"]].constants]
        if places:
            each, name = self.chance.choice(places)
            each["inputs"][name] = KINDS[each["class_type"]].constants[name](self.chance)
        return bool(places)

    def rewire(self) -> bool:
        places = [(node_id, name) for node_id in self.order for name in KINDS[self.graph[node_id]["class_type"]].links]
        if places:
            node_id, name = self.chance.choice(places)
            socket = KINDS[self.graph[node_id]["class_type"]].links[name]
            self.graph[node_id]["inputs"][name] = self.source(socket, self.order.index(node_id))
        return bool(places)

    def add(self) -> bool:
        self.insert(self.chance.choice((*INNER, *ENDS)))
        return True

    def remove(self) -> bool:
        """Remove a node that nobody takes from, or an end, but for the last one."""
        taken = {value[0] for each in self.graph.values() for value in each["inputs"].values() if _is_link(value)}
        ends = [node_id for node_id, each in self.graph.items() if each["class_type"] in ENDS]
        free = [node_id for node_id in self.order if node_id not in taken and ends != [node_id]]
        if not free:
            return False
        gone = self.chance.choice(free)
        del self.graph[gone]
        self.order.remove(gone)
        return True

    def bypass(self) -> bool:
        """What takes from a node takes from where that takes its own, as the editor's bypass does."""
        choices = [(node_id, each["inputs"]["one"]) for node_id, each in self.graph.items()
                   if KINDS[each["class_type"]].outputs == (N,) and _is_link(each["inputs"].get("one"))]  # fmt: skip
        if not choices:
            return False
        node_id, source = self.chance.choice(choices)
        for each in self.graph.values():
            for name, value in each["inputs"].items():
                if value == [node_id, 0]:
                    each["inputs"][name] = list(source)
        return True

    def renumber(self) -> bool:
        ids = [f"n{number}" if self.chance.random() < 0.5 else f"{number + 1000}" for number in range(len(self.order))]
        self.chance.shuffle(ids)
        renamed = dict(zip(self.order, ids, strict=True))
        self.graph = {renamed[node_id]: each for node_id, each in self.graph.items()}
        for each in self.graph.values():
            for name, value in each["inputs"].items():
                if _is_link(value):
                    each["inputs"][name] = [renamed[value[0]], value[1]]
        self.order = [renamed[node_id] for node_id in self.order]
        self.made = max(self.made, 1000 + len(self.order))
        return True

    def reorder(self) -> bool:
        """The order in which nodes and inputs are written down."""
        self.graph = dict(self.chance.sample(list(self.graph.items()), len(self.graph)))
        for each in self.graph.values():
            each["inputs"] = dict(self.chance.sample(list(each["inputs"].items()), len(each["inputs"])))
        return True

    def double(self) -> bool:
        """A second node that is equal to one; half of who took from that one take from it."""
        node_id = self.chance.choice(self.order)
        each = self.graph[node_id]
        self.made += 1
        twin = f"twin{self.made}"
        for other in self.graph.values():
            for name, value in other["inputs"].items():
                if _is_link(value) and value[0] == node_id and self.chance.random() < 0.5:
                    other["inputs"][name] = [twin, value[1]]
        self.graph[twin] = {"class_type": each["class_type"], "inputs": dict(each["inputs"])}
        self.order.insert(self.order.index(node_id) + 1, twin)
        return True

    def content(self) -> bool:
        """Other content under the same name, of equal size and time of modification."""
        place = self.chance.choice(self._places())
        rewrite(place, self.chance.choice("xyz").encode())
        return True

    def swap(self) -> bool:
        one, other = self.chance.sample(self._places(), 2)
        spare = one.with_name("spare")
        one.rename(spare)
        other.rename(one)
        spare.rename(other)
        return True

    def code(self) -> bool:
        self.version = self.chance.choice((1, 2, 3))
        self.factor = self.chance.choice((1, 2, 3))
        return True

    def setting(self) -> bool:
        self.settings = {"flavour": self.chance.choice(FLAVOURS), "dtype": self.chance.choice(DTYPES)}
        return True

    def outside(self) -> bool:
        Outside.told = self.chance.choice((0, 1, 1.0, True, "1", math.nan, Path("no form"), [1]))
        return True

    def upgrade(self) -> bool:
        """Another version of Weft, whose nodes give other numbers under the same `version=`."""
        Outside.weft = self.chance.choice((1, 2))
        return True

    def override(self) -> bool:
        """Values that are given for the run alone."""
        self.overrides = {}
        starts = [node_id for node_id, each in self.graph.items() if each["class_type"] == "Start"]
        if starts:
            self.overrides = {f"{self.chance.choice(starts)}.value": self.chance.choice((0, 1, 2, 7))}
        return bool(starts)

    # Runs.

    def run(
        self, session: Session, observers: tuple[Observer, ...] = (), cancel: CancelToken | None = None,
        targets: Iterable[str] = (),
    ) -> RunResult:  # fmt: skip
        """A run as the world is now. Raises as `execute` does."""
        starts = {f"{node_id}.value" for node_id, each in self.graph.items() if each["class_type"] == "Start"}
        given = {place: value for place, value in self.overrides.items() if place in starts}
        prompt = session.read(json.loads(json.dumps(self.graph)), given)
        with patch("weft.engine.session.own_digest", lambda: str(Outside.weft)):
            return session.execute(session.plan(prompt, targets), observers, cancel=cancel)

    def outcome(self, session: Session, targets: Iterable[str] = ()) -> Any:
        """What a run gives, as plain data: outputs, ui and the content of files, of whatever name; or how it failed."""
        try:
            return told(self.run(session, targets=targets))
        except NodeError as error:
            return ("failed", error.node_id, error.class_type, error.message)


_EDITS = {
    "constant": 1.0, "rewire": 1.0, "add": 0.7, "remove": 0.7, "bypass": 0.4, "renumber": 0.2, "reorder": 0.3,
    "double": 0.3, "content": 1.0, "swap": 0.4, "code": 0.4, "setting": 0.4, "upgrade": 0.2, "outside": 0.5,
    "override": 0.4,
}  # fmt: skip


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def rewrite(place: Path, content: bytes) -> None:
    """Other content, of a file that keeps its name, node and times: only that of its change goes on, as it must."""
    before = place.stat()
    while place.stat().st_ctime_ns == before.st_ctime_ns:  # within one tick of the clock nothing can tell
        place.write_bytes(content)
        os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def told(result: RunResult) -> Any:
    """What a run gave, as plain data in which a file is its content: its name is a matter of what was there before."""

    def content(file: Path) -> tuple[str, str]:
        return file.name.rpartition("_")[0].rpartition("_")[0], hashlib.sha256(file.read_bytes()).hexdigest()

    def seen(value: Any) -> Any:
        if isinstance(value, Box | Block):
            return type(value).__name__, vars(value)
        if isinstance(value, dict) and "filename" in value:
            return {**value, "filename": written[value["filename"], value["subfolder"], value["type"]]}
        if isinstance(value, dict):
            return [(seen(name), seen(each)) for name, each in value.items()]
        if isinstance(value, list | tuple):
            return type(value).__name__, [seen(each) for each in value]
        return type(value).__name__, repr(value)

    every = [*result.files, *result.previews]
    written = {(file.name, _subfolder(file), file.parts[-2 - bool(_subfolder(file))]): content(file) for file in every}
    ui = {node_id: dict(shown) for node_id, shown in result.ui.items()}
    return {
        "status": result.status,
        "blocked": dict(sorted(result.blocked.items())),
        "outputs": seen(dict(sorted(result.outputs.items()))),
        "ui": seen(dict(sorted(ui.items()))),
        "files": list(map(content, result.files)),
        "previews": list(map(content, result.previews)),
    }


def _subfolder(file: Path) -> str:
    return "" if file.parent.name in ("output", "temp") else file.parent.name


def keys(world: World) -> list[str]:
    """The key of every node in hexadecimal, in the order in which they were made; nothing of one that is volatile."""
    session = world.session(world.folder)
    planner = Planner(world.registry, folders=session.folders, digests=Digests(), cache=NoCache())
    known = planner.plan(Prompt.parse(json.loads(json.dumps(world.graph))), list(world.graph)).nodes
    found = [known[node_id].key for node_id in world.order]
    return ["" if key.volatile else key.digest.hex() for key in found]


if __name__ == "__main__":
    for seed in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as place:
            print(json.dumps(keys(World(Path(place), Random(int(seed)), STABLE))))
