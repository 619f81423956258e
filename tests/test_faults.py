"""Whatever happens while something is written: nothing is half-written, nothing old is lost, what is new is listed.

The quick test takes a point of each kind in turn with one fault each, the slow ones every fault at every point.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from weft.engine.testing.goldens import read_golden
from weft.engine.testing.instrument import find_instrument

from .faults import FAULTS, FOREIGN, Ended, Weft
from .lints import two_stages

LEFTOVERS = ("kill", "readonly", "io", "vanished")
"""The faults after which a hidden file may be left: nobody was there, or able, to remove it."""


def drawing(color: int) -> dict[str, Any]:
    """Two pictures of one colour."""
    size = {"width": 8, "height": 8, "batch_size": 1}
    return {
        "1": {"class_type": "EmptyImage", "inputs": {**size, "color": color}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "sub/a"}},
        "3": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "sub/b"}},
    }


@dataclass(frozen=True)
class Command:
    """A command line; the folder that it writes to, below the current one; the files there that it may replace."""

    arguments: tuple[str, ...]
    folder: str
    replaces: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


COMMANDS = {
    "run": Command(("run", "flows/w.json", "--no-cache"), "output"),
    "cached run": Command(("run", "flows/w.json", "--cache", "../kept"), "output"),
    "sweep": Command(
        ("sweep", "flows/w.json", "--grid", "1.color=1,2", "--animate", "1.color", "--output", "swept", "--no-cache"),
        "swept",
    ),
    "convert": Command(("convert", "flows/w.json", "-o", "flows/c.json"), "flows", ("flows/c.json",)),
    "new": Command(("new", "flows/n.json", "--force"), "flows"),
    "fmt": Command(("fmt", "flows/w.json"), "flows", ("flows/w.json",)),
    "lint": Command(("lint", "flows/l.json", "--fix"), "flows", ("flows/l.json",)),
    "render": Command(("render", "flows/w.json", "-o", "flows/d.svg"), "flows", ("flows/d.svg",)),
    "record": Command(("test", "record", "flows/w.json"), "flows", without=("flows/w.golden*",)),
    "record again": Command(("test", "record", "--force", "flows/w.json"), "flows", ("flows/w.golden*",)),
    "accept": Command(
        ("test", "accept", "--all", "flows", "--html", "flows/p.html"), "flows", ("flows/w.golden*", "flows/p.html")
    ),
    "check": Command(
        ("test", "flows", "--html", "flows/p.html", "--junit", "flows/p.xml"), "flows", ("flows/p.html", "flows/p.xml")
    ),
}


RUNS = ("run", "cached run")
NUMBERED = (*RUNS, "sweep")
"""Those that take another name for a file where one is taken."""
DRAWN = ("sheet.png", "animation.webp")
"""What a sweep draws of its pictures; it carries no workflow."""


class World:
    """A folder with a workflow, its older golden, and files under the names that commands write to."""

    def __init__(self, folder: Path, weft: Weft) -> None:
        self.folder = folder
        self.weft = weft
        self.template = folder / "template"
        flows = self.template / "work" / "flows"
        flows.mkdir(parents=True)
        (self.template / "tmp").mkdir()
        (flows / "w.json").write_text(json.dumps(drawing(1)))
        (flows / "l.json").write_text(json.dumps(two_stages({}, {"end_at_step": 25})))
        (flows / "notes.txt").write_text("of the user")
        assert weft("test", "record", "flows/w.json", at=flows.parent, watched=self.template).code == 0
        (flows / "w.json").write_text(json.dumps(drawing(2)))
        for name in ("c.json", "p.html", "p.xml"):
            (flows / name).write_text(f"the old {name}")
        assert weft("run", "flows/w.json", "--no-cache", at=flows.parent, watched=self.template).code == 0
        self.whole: dict[str, dict[str, bytes]] = {}
        self.points: dict[str, tuple[str, ...]] = {}
        for name, command in COMMANDS.items():
            work = self.fresh(command)
            ended = self.run(command)
            assert ended.code == (1 if name == "check" else 0), ended
            assert not ended.unseen, ended.unseen
            self.whole[name], self.points[name] = contents(work), ended.points

    def fresh(self, command: Command) -> Path:
        """The folder as it was, now the current one."""
        world = self.folder / "world"
        shutil.rmtree(world, ignore_errors=True)
        shutil.copytree(self.template, world)
        for pattern in command.without:
            for path in (world / "work").glob(pattern):
                path.unlink()
        return world / "work"

    def run(self, command: Command, fault: str = "none", point: int = 0) -> Ended:
        world = self.folder / "world"
        prey = world / "work" / command.folder
        return self.weft(*command.arguments, at=world / "work", watched=world, fault=fault, point=point, prey=prey)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("faults")
    weft = Weft(folder / "weft")
    try:
        yield World(folder, weft)
    finally:
        weft.close()


def contents(work: Path) -> dict[str, bytes]:
    return {path.relative_to(work).as_posix(): path.read_bytes() for path in work.rglob("*") if path.is_file()}


def check(world: World, name: str, fault: str, point: int) -> None:
    """Break a command at a point and look at what is left, then run it again, unbroken."""
    command = COMMANDS[name]
    work = world.fresh(command)
    before = contents(work)
    ended = world.run(command, fault, point)
    after = contents(work)
    where = f"{name}: {fault} at {point}, {ended.points[point] if point < len(ended.points) else 'never'}\n{ended}"
    assert ended.struck, where
    assert ended.code != 99 and "Traceback" not in ended.err + ended.out, where
    assert ended.code < 0 if fault == "kill" else ended.code >= 0, where
    listed = set(ended.out.splitlines())
    replaced = {path.relative_to(work).as_posix() for pattern in command.replaces for path in work.glob(pattern)}
    for path, old in before.items():
        if fault == "vanished" and path.startswith(command.folder):
            continue
        if path not in replaced and not path.startswith("flows/w.golden"):
            assert after.get(path) in (old, FOREIGN), f"{path} is lost or changed\n{where}"
    for path, content in after.items():
        if content in (before.get(path), FOREIGN):
            continue
        if Path(path).name.startswith("."):
            assert fault in LEFTOVERS, f"{path} is left\n{where}"
            continue
        # A name that another process took is passed over.
        assert path in world.whole[name] or (name in NUMBERED and fault == "replaced"), (
            f"{path} is not its file\n{where}"
        )
        _is_whole(work, path, content, world.whole[name].get(path, b""), where)
        if fault != "kill" and name in RUNS:
            assert str(work / path) in listed, f"{path} is not listed\n{where}"
    if name in ("record", "record again", "accept") and fault != "vanished":
        _golden_is_whole(work, before, after, ended, where)
    if ended.code == 0 and fault not in ("vanished", "replaced"):
        missing = {path for path in world.whole[name] if path not in after}
        assert not missing, f"{missing}\n{where}"
    if fault in ("kill", "full", "io"):
        _recovers(world, name, work, after, where)


def _recovers(world: World, name: str, work: Path, after: dict[str, bytes], where: str) -> None:
    """The next run of the command does what it should; the next recording removes what is left of a golden."""
    again = world.run(COMMANDS["record again" if name == "accept" else name])
    # A golden that was recorded before the fault struck is not recorded twice.
    stands = name == "record" and "flows/w.golden.json" in after
    assert again.code == (2 if stands else 1 if name == "check" else 0), f"{again}\n{where}"
    if name in ("record again", "accept"):
        found = {path for path in contents(work) if path.startswith(("flows/w.golden", "flows/.w.golden"))}
        assert found == {path for path in world.whole[name] if "golden" in path}, f"leftovers\n{where}"


def _is_whole(work: Path, path: str, content: bytes, wanted: bytes, where: str) -> None:
    if path.endswith((".png", ".webp")):
        with Image.open(work / path) as picture:
            picture.load()
            assert "golden" in path or path.endswith(DRAWN) or "prompt" in picture.text, where
    elif path.endswith((".html", ".xml")):
        assert content.rstrip().endswith(wanted.rstrip()[-8:]), f"{path}\n{where}"
    elif path.endswith("index.jsonl"):
        # A last line may be cut off; how long a cell took differs from run to run.
        told = [json.loads(line) for line in content.split(b"\n")[:-1]]
        assert all(line["status"] in ("done", "failed") for line in told), f"{path}\n{where}"
    elif not path.endswith(".golden.json"):
        assert content == wanted, f"{path}\n{where}"


def _golden_is_whole(work: Path, before: dict[str, bytes], after: dict[str, bytes], ended: Ended, where: str) -> None:
    """The golden is the old one or the new one, with all its files; which of them, the command has said."""
    path = "flows/w.golden.json"
    assert (path in after) or path not in before, f"the golden is lost\n{where}"
    if path not in after or after[path] == FOREIGN:
        return
    is_new = after[path] != before.get(path)
    if FOREIGN not in after.values():
        golden = read_golden(work / path, find_instrument())
        assert golden.document.nodes["1"].inputs["color"] == (2 if is_new else 1), where
    if ended.code >= 0:
        said = any(line.startswith(("recorded", "accepted")) for line in ended.out.splitlines())
        assert said == is_new, f"not said, or said without reason\n{where}"


def chosen(points: tuple[str, ...]) -> list[int]:
    """The last point of each kind, by call and suffix: then most is written already. Temporary files are left out."""
    kinds: dict[tuple[str, str], int] = {}
    for number, point in enumerate(points):
        call, _, path = point.partition(" ")
        if not path.startswith("tmp/"):
            kinds[call, Path(path).suffix] = number
    return sorted(kinds.values())


def test_a_fault_at_each_kind_of_point(world: World) -> None:
    """One test: it is one warm process."""
    points = [(name, point) for name in COMMANDS for point in chosen(world.points[name])]
    for turn, (name, point) in enumerate(points):
        check(world, name, FAULTS[turn % len(FAULTS)], point)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_fault_at_every_point(name: str, fault: str, world: World) -> None:
    """But for the writes of one file between the second and the last one: they are all alike."""
    points = world.points[name]
    for point, text in enumerate(points):
        around = (*points[max(0, point - 2) : point], *points[point + 1 : point + 2])
        if not (text.startswith("write ") and around == (text,) * 3):
            check(world, name, fault, point)
