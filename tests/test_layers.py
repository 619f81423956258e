"""Who may import whom: import-linter's contracts in pyproject.toml hold, each can fail, and none forgets a face."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]
NAMES = [contract["name"] for contract in CONTRACTS]
# What packs import is not among them: it is read when packs are, which import torch themselves.
FACE_FILES = sorted(
    str(file.relative_to(ROOT))
    for file in (ROOT / "nodes").rglob("*.py")
    if "diffusion" not in file.parts and "nodes/compat/modules" not in str(file)
)
# What stands above all rooms, and is a file.
FOUNDATIONS = {"weft.cli", "weft.engine.api", "weft.engine.session"}
HEAVY = {
    "torch",
    "numpy",
    "PIL",
    "scipy",
    "safetensors",
    "diffusers",
    "transformers",
    "tokenizers",
    "torchsde",
    "cv2",
    "av",
}


def verdicts(folder: Path) -> tuple[dict[str, bool], str]:
    """Contract -> whether it is kept by the code in `folder`; and what import-linter said."""
    # A process of its own: import-linter puts the current folder on sys.path and imports from there.
    command = (
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    )
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    ended = subprocess.run([sys.executable, "-c", command], cwd=folder, capture_output=True, text=True, env=environment)
    said = ended.stdout + ended.stderr
    return {name: kept == "KEPT" for name, kept in re.findall(r"^(.+) (KEPT|BROKEN)\b", said, re.MULTILINE)}, said


@pytest.fixture(scope="module")
def kept() -> tuple[dict[str, bool], str]:
    return verdicts(ROOT)


@pytest.mark.parametrize("name", NAMES)
def test_contract_is_kept(name: str, kept: tuple[dict[str, bool], str]) -> None:
    assert name in kept[0], kept[1]
    assert kept[0][name], kept[1].partition("Broken contracts")[2]


VIOLATIONS = {
    "the engine knows neither torch nor nodes": ("engine/errors.py", "def late():\n    import torch\n"),
    "the rooms of the engine, top first": ("engine/schema/sockets.py", "import weft.engine.running.executor\n"),
    "the rooms of the node library, top first": ("nodes/core/mask.py", "import weft.nodes.efficiency.values\n"),
    "nothing outside asks which family a model is": (
        "nodes/diffusion/sampling/noise.py",
        "from weft.nodes.diffusion.families.sd import unet\n",
    ),
    "the diffusion library knows neither engine nor faces": (
        "nodes/diffusion/text/names.py",
        "from weft.engine import errors\n",
    ),
    "a face knows the engine's authoring side only": (
        "nodes/core/latent.py",
        "from weft.engine.planning.plan import Plan\n",
    ),
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """The verdicts on a copy of the code with a wrong import for each contract."""
    copy = tmp_path_factory.mktemp("broken")
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    shutil.copytree(ROOT / "src" / "weft", copy / "src" / "weft", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", copy)
    for file, line in VIOLATIONS.values():
        with (copy / "src" / "weft" / file).open("a") as stream:
            stream.write(f"\n{line}")
    return verdicts(copy)[0]


@pytest.mark.parametrize("name", NAMES)
def test_contract_can_fail(name: str, broken: dict[str, bool]) -> None:
    assert name in VIOLATIONS, "add a wrong import that this contract has to find"
    assert broken[name] is False


def packages(folder: str) -> set[str]:
    return {file.parent.name for file in (ROOT / folder).glob("*/__init__.py")}


def contract(name: str) -> dict[str, Any]:
    return next(contract for contract in CONTRACTS if contract["name"] == name)


def test_every_package_of_faces_is_named() -> None:
    faces = {f"weft.nodes.{package}" for package in packages("nodes") - {"diffusion"}}
    assert faces <= set(contract("the diffusion library knows neither engine nor faces")["forbidden_modules"])
    # What packs import is no face: of the engine it knows what ComfyUI's API shows.
    faces.remove("weft.nodes.compat")
    assert faces == set(contract("a face knows the engine's authoring side only")["source_modules"])


@pytest.mark.parametrize(
    ("name", "folder"),
    [("the rooms of the engine, top first", "engine"), ("the rooms of the node library, top first", "nodes")],
)
def test_every_room_is_named(name: str, folder: str) -> None:
    assert {room for layer in contract(name)["layers"] for room in layer.split(" | ")} == packages(folder)


def test_contracts_name_packages() -> None:
    """Never files: a file of its own is no reason to touch a contract. The engine's foundations are files."""
    for each in CONTRACTS:
        ours = {
            module
            for side in ("source_modules", "forbidden_modules")
            for module in each.get(side, ())
            if module.startswith("weft.")
        }
        for module in ours - FOUNDATIONS:
            assert (ROOT / "src" / module.replace(".", "/") / "__init__.py").is_file(), module


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules that a file imports, for types too, and what it takes from them: `a.b.name`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        else:
            yield from imported(child)


def circles(files: Mapping[str, str]) -> list[list[str]]:
    """The groups of modules that import one another, given the text of each."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for module, text in files.items():
        for name in imported(ast.parse(text)):
            name = name.removeprefix("weft.")
            while name and name not in files:
                name = name.rpartition(".")[0]
            if name and name != module:
                graph.add_edge(module, name)
    return [sorted(group) for group in nx.strongly_connected_components(graph) if len(group) > 1]


def modules(package: str) -> dict[str, str]:
    """The text of every module of a package, by name; a package's own is its `__init__`."""
    found = {file.relative_to(ROOT).with_suffix(""): file.read_text() for file in (ROOT / package).rglob("*.py")}
    return {".".join(part for part in path.parts if part != "__init__"): text for path, text in found.items()}


@pytest.mark.parametrize("package", ["engine", "nodes"])
def test_no_modules_import_one_another(package: str) -> None:
    """Not even for a type, and not even in a function."""
    assert circles(modules(package)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from a.y import thing", True),
        ("import a.y", True),
        ("from a import y", True),
        ("from a.z import thing", False),
        ("def f():\n    import a.y", True),
        ("if TYPE_CHECKING:\n    import a.y", True),
    ],
)
def test_a_circle_is_found(text: str, found: bool) -> None:
    files = {"a": "", "a.x": text, "a.y": "from a.x import thing", "a.z": ""}
    assert circles(files) == ([["a.x", "a.y"]] if found else [])


def imports_outside_functions(tree: ast.AST) -> Iterator[str]:
    """The top-level packages that a module imports when it is itself imported."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module.partition(".")[0]
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (name for part in child.orelse for name in imports_outside_functions(part))
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports_outside_functions(child)


@pytest.mark.parametrize("face", FACE_FILES)
def test_a_face_imports_nothing_heavy_until_it_runs(face: str) -> None:
    tree = ast.parse((ROOT / face).read_text())
    assert HEAVY.isdisjoint(imports_outside_functions(tree))


def test_imports_outside_functions_are_found() -> None:
    text = "import torch.nn\nif x:\n    from PIL import Image\nclass A:\n    import scipy\ndef f():\n    import numpy\n"
    text += "if TYPE_CHECKING:\n    import diffusers\ntry:\n    import av\nexcept ImportError:\n    pass\n"
    assert set(imports_outside_functions(ast.parse(text))) == {"torch", "PIL", "scipy", "av"}


def test_only_v1_asks_what_an_object_has() -> None:
    asking = {file.stem for file in (ROOT / "engine").rglob("*.py") if re.search(r"\bhasattr\(", file.read_text())}
    assert asking == {"v1"}
