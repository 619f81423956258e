"""Every command in the README and in the tutorial works as it stands there.

A block of commands is run in a copy of the checkout: `weft` inside this process, up to a pipe, and the rest by a shell.
Of several blocks that say the same one is run. The graphs of the copy take a fifth of their steps: what they draw in
all of them, their goldens hold and test_tutorial.py looks at. Two kinds are slow: blocks that install or start a suite,
which borrow what this environment has installed (of the suites that they start only the collection, since this test
is part of them), and what samples 21 times.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

import weft
from weft.cli import main
from weft.engine.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "docs/running.md", "docs/tutorial.md", "docs/python.md", "docs/sweeps.md")
COPIED = ("README.md", "LICENSE", "Makefile", "constraints.txt", "pyproject.toml", "cli.py")
FOLDERS = ("engine", "nodes", "workflows", "docs", "src")
STAMPS = (".installed", ".test")
SLOW = re.compile(r"\b(make|pip|prompt_sweep)\b|0\.\.20")
FOR_A_SHELL = re.compile(r"[<;&$`*]")
STEPS = ("steps", "start_at_step", "end_at_step")
PIPE = re.compile(r"((?:[^|>\"]|\"[^\"]*\")*)(?:([|>]) (.*))?")


@dataclass(frozen=True)
class Block:
    """A block of a document: its language (`sh` where it is indented), and its lines."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(document: str) -> Iterator[Block]:
    lines = (ROOT / document).read_text().splitlines()
    number = 0
    while number < len(lines):
        start, fence = number, re.fullmatch(r"```(\w+)", lines[number])
        number += 1
        if fence:
            while lines[number] != "```":
                number += 1
            yield Block(document, start + 1, fence[1], "\n".join(lines[start + 1 : number]))
            number += 1
        elif lines[start].startswith("    ") and not lines[start - 1].strip():
            while number < len(lines) and lines[number].startswith("    "):
                number += 1
            text = "\n".join(line.removeprefix("    ") for line in lines[start:number])
            yield Block(document, start + 1, "sh", text)


BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]


def commands(block: Block) -> list[str]:
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in block.text.splitlines()) if line]


def of_language(*languages: str) -> list[object]:
    chosen = {tuple(commands(block)): block for block in reversed(BLOCKS) if block.language in languages}.values()
    return [
        pytest.param(block, id=str(block), marks=[pytest.mark.slow] * bool(SLOW.search(block.text))) for block in chosen
    ]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, with an environment that is made already, and a home with a models folder."""
    place = tmp_path_factory.mktemp("readme") / "weft"
    place.mkdir()
    for name in COPIED:
        shutil.copy(ROOT / name, place)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, place / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for graph in (place / "workflows").glob("*.api.json"):
        prompt = json.loads(graph.read_text())
        for inputs in (node["inputs"] for node in prompt.values()):
            inputs.update({name: inputs[name] // 5 for name in STEPS if isinstance(inputs.get(name), int)})
        graph.write_text(json.dumps(prompt))
        graph.with_name(graph.name.replace(".api", "")).write_text(json.dumps(weft.convert(prompt, to="ui")))
    (place / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "test_layers.py", place / "tests")
    # This environment under another name, whose stamps say that it is up to date.
    (place.parent / "venv").mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name not in STAMPS:
            (place.parent / "venv" / part.name).symlink_to(part)
    for stamp in STAMPS:
        (place.parent / "venv" / stamp).touch()
    (place.parent / "home" / "ComfyUI").mkdir(parents=True)
    (place.parent / "home" / "ComfyUI" / "models").symlink_to(ROOT / "workflows" / "models")
    return place


@pytest.fixture
def checkout(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy as the current folder, and what a command may look at in the environment."""
    for name in [name for name in os.environ if name.startswith("WEFT_")]:
        monkeypatch.delenv(name)
    home = copy.parent / "home"
    environment = {
        "HOME": home,
        "XDG_CACHE_HOME": home / ".cache",
        "WEFT_TEMP": home / "temp",
        "WEFT_DEVICE": "cpu",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "VENV": copy.parent / "venv",
        # An environment that a block makes finds the packages of this one, and builds with them.
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTEST_ADDOPTS": "--collect-only",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(copy)
    return copy


def run(command: str) -> None:
    """Run a command in the current folder; it must end well."""
    given = ""
    if command.startswith("weft ") and not FOR_A_SHELL.search(command):
        found = PIPE.fullmatch(command)
        assert found, command
        weft, mark, rest = found.groups()
        said = StringIO()
        with redirect_stdout(said) if mark else nullcontext():
            assert main([os.path.expanduser(word) for word in shlex.split(weft)[1:]]) == 0, command
        if not mark:
            return
        command, given = f"cat {mark} {rest}", said.getvalue()
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], input=given, capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"


@pytest.mark.parametrize("block", of_language("sh"))
def test_commands(block: Block, checkout: Path) -> None:
    for command in commands(block):
        run(command)


@pytest.mark.parametrize("block", of_language("python"))
def test_python(block: Block, checkout: Path) -> None:
    exec(compile(block.text, str(block), "exec"), {})


@pytest.mark.parametrize("block", of_language("toml"))
def test_settings(block: Block, tmp_path: Path) -> None:
    (tmp_path / "weft.toml").write_text(block.text)
    Settings.load({}, folder=tmp_path)
    assert tomllib.loads(block.text)


def test_nothing_else_stands_in_a_block() -> None:
    assert {block.language for block in BLOCKS} <= {"sh", "python", "toml", "csv", "json"}
    assert sum(len(commands(block)) for block in BLOCKS if block.language == "sh") > 30


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """Links and pictures name files that are there, and headings that are there."""
    text = (ROOT / document).read_text()
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)
    }
    targets = re.findall(r"\]\(([^)]+)\)|<img src=\"([^\"]+)\"", text)
    assert targets
    for target in (one or other for one, other in targets):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https://"):
            assert (ROOT / document).parent.joinpath(target.partition("#")[0]).exists(), target
