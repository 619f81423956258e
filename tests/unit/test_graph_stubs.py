"""What an editor and a type checker know of weft.Graph: the stub is true, and mypy finds what is wrong by it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import mypy.api
import pytest

from weft import Graph, Registry
from weft.cli import main
from weft.engine.building.calls import attributes
from weft.engine.building.nodes import RESERVED
from weft.engine.building.stubs import stub_of

ROOT = Path(__file__).resolve().parents[2]
STUB = ROOT / "nodes" / "graph.pyi"

RIGHT = """
from weft import Graph, run

g = Graph()
m = g.CheckpointLoaderSimple("tiny.safetensors")
p = g.CLIPTextEncode("a cat", clip=m.clip)
n = g.CLIPTextEncode(clip=m.clip, _title="Negative", _id="9")
latent = g.EmptyLatentImage(64, 64)
s = g.KSampler(m.model, 7, 20, positive=p, negative=n.conditioning, latent_image=latent, sampler_name="euler")
e = g["KSampler (Efficient)"](m.model, positive=p, negative=n, latent_image=s, optional_vae=m.vae)
i = g.VAEDecode(s, m[2])
b = g.BatchImagesNode(images=[i, e.image])
r = g.ResizeImageMaskNode(b, {"resize_type": "scale by multiplier", "multiplier": 2})
g["Power Lora Loader (rgthree)"](m.model, m.clip, lora_1={"on": True})
i.set(samples=latent)
g.SaveImage(r)
g.save("x.json")
run(g)
h = Graph.load("x.json")
h.VAEDecode(h.find("9")["LATENT"], h.find("1")[2])
"""
WRONG = {
    "g.KSamplr()": "has no attribute",
    "g.CLIPTextEncode('a dog', clip=m.model)": 'expected "GraphSource[CLIP]"',
    "g.CLIPTextEncode('a dog', clip=m.clip, txt='x')": "Unexpected keyword argument",
    "g.KSampler(m.model, sampler_name='eulr', positive=p, negative=p, latent_image=s)": "Literal['eulr']",
    "g.KSampler(m.model, steps='20', positive=p, negative=p, latent_image=latent)": 'expected "int |',
    "g.VAEDecode(latent)": "Missing positional argument",
    "g.VAEDecode(latent, m.vea)": "has no attribute",
    "g.LoraLoader(m, m.clip, 'x.safetensors')": 'expected "GraphSource[MODEL]"',
    "g.EmptyLatentImage(64, 64, 1, 1)": "Too many positional arguments",
    "g['KSampler (Efficient)'](m.model, positive=latent, negative=p, latent_image=latent)": "[CONDITIONING]",
}


NEAR = ("weft", "weft.nodes.graph", "weft.engine.building.graph", "weft.engine.building.nodes")
"""What must be read to know a graph; the rest of Weft takes seconds more."""


def checked(file: Path, monkeypatch: pytest.MonkeyPatch, *, near: bool = False) -> Iterator[tuple[int, str]]:
    """Line and message of each error that mypy reports of the file, as it does for one that uses an installed Weft."""
    monkeypatch.setenv("MYPYPATH", f"{ROOT / 'src'}:{file.parent}")
    follow = "skip" if near else "silent"
    modules = [f"-m{name}" for name in (*NEAR, file.stem)] if near else [str(file)]
    options = ["--config-file=", f"--follow-imports={follow}", f"--cache-dir={file.parent / 'cache'}"]
    limit = sys.getrecursionlimit()
    try:
        out, err, _ = mypy.api.run([*options, "--no-error-summary", *modules])
    finally:
        # mypy raises it, and what is nested too deeply would be read in the tests behind this one.
        sys.setrecursionlimit(limit)
    assert not err
    for line in out.splitlines():
        found = re.fullmatch(r"(.+?):(\d+): (error|note): (.*)", line)
        assert found, line
        if found[3] == "error" and Path(found[1]).name == file.name:
            yield int(found[2]), found[4]


@pytest.mark.parametrize("near", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_mypy_finds_the_ten_lines_that_are_wrong(near: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.py"
    script.write_text("\n".join([RIGHT, *WRONG, ""]))
    first = len(RIGHT.splitlines()) + 2
    found = list(checked(script, monkeypatch, near=near))
    assert [line for line, _ in found] == list(range(first, first + 10)), found
    assert [expected for (_, said), expected in zip(found, WRONG.values(), strict=True) if expected not in said] == []


def test_the_stub_is_that_of_the_installed_classes() -> None:
    assert stub_of(Registry.discover()) == STUB.read_text(encoding="utf-8"), "weft stubs > nodes/graph.pyi"


def test_every_class_and_every_output_stands_in_it() -> None:
    registry = Registry.discover()
    text = stub_of(registry)
    for schema in registry.schemas():
        if not schema.internal:
            assert f"def {schema.class_type}(" in text or f'Literal["{schema.class_type}"]' in text
            for name in attributes(schema.declared, RESERVED):
                assert f"    {name}: GraphOutput[" in text


PACK = """
from typing import Annotated
import weft
from weft.engine.schema.sockets import Combo, Int, Socket


@weft.node(category="test", class_type="Twice+")
def twice(
    *, number: Annotated[int, Int(min=0, max=9)], load: Annotated[str, Combo(["a b", "c"])] = "c"
) -> Annotated[int, Socket("NUMBER")]:
    \"\"\"Twice a "number".\"\"\"
    return 2 * number


@weft.node(category="test")
def load(*, number: Annotated[int, Socket("NUMBER")]) -> Annotated[int, Socket("NUMBER")]:
    return number


NODES = [twice, load]
"""
USE = """
from weft_nodes import Graph

g = Graph()
t = g["Twice+"](4, load="a b")
g["load"](number=t)
g["Twice+"](4, load="b")
g.SaveImage(images=t)
"""


def test_the_command_writes_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(PACK)
    assert main(["stubs", "--nodes", "mine.py", "-o", "typed"]) == 0
    assert capsys.readouterr().out.split() == ["typed/weft_nodes.pyi", "typed/weft_nodes.py"]
    scope: dict[str, type[Graph]] = {}
    exec((tmp_path / "typed" / "weft_nodes.py").read_text(), scope)
    assert scope["Graph"]()["Twice+"](4).number.slot == 0
    assert (
        'number: Annotated[int, "0 to 9"] | GraphSource[INT] = 0' in (tmp_path / "typed" / "weft_nodes.pyi").read_text()
    )


@pytest.mark.slow
def test_mypy_reads_that_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(PACK)
    assert main(["stubs", "--nodes", "mine.py", "-o", "."]) == 0
    (tmp_path / "use.py").write_text(USE)
    found = list(checked(tmp_path / "use.py", monkeypatch))
    assert [line for line, _ in found] == [7, 8], found


def test_the_whole_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stubs"]) == 0
    assert capsys.readouterr().out == stub_of(Registry.discover())
