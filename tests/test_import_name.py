"""One import name: all of Weft lies below `weft`, once, and stands in nobody's way."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"engine", "nodes", "workflows"}
# A script of a user, beside packages of the same names as Weft's folders.
SCRIPT = """
import json, sys
from pathlib import Path
import cli, engine, nodes, workflows
import weft, weft.cli
result = weft.run({"1": {"class_type": "PreviewAny", "inputs": {"source": "a text"}}})
files = [Path(module.__file__).resolve() for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
ours = [str(file) for file in files if file.is_relative_to(Path(sys.argv[1]))]
print(json.dumps([[module.MINE for module in (cli, engine, nodes, workflows)], dict(result.ui["1"]), ours]))
"""


def test_a_user_s_own_nodes_are_in_nobody_s_way(tmp_path: Path) -> None:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(f"MINE = {folder!r}\n")
    (tmp_path / "cli.py").write_text("MINE = 'cli'\n")
    (tmp_path / "app.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "app.py", str(ROOT)]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    mine, shown, files = json.loads(ended.stdout)
    assert mine == ["cli", "engine", "nodes", "workflows"]
    assert shown == {"text": ["a text"]}
    assert len(files) == len(set(files)) > 20, "a file was imported under two names"


def test_nothing_is_imported_from_the_folders_themselves() -> None:
    """A module imported past `weft` would be there twice."""
    found = []
    for folder in (*FOLDERS, "tests", "benchmarks", "docs"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                if {name.partition(".")[0] for name in names} & {"engine", "nodes", "cli"}:
                    found.append(f"{file.relative_to(ROOT)}: {ast.unparse(node)}")
    assert not found


def test_the_links_lead_to_the_folders() -> None:
    inside = {path.name: path.resolve() for path in (ROOT / "src" / "weft").iterdir() if path.is_symlink()}
    assert inside == {name: ROOT / name for name in (*FOLDERS, "cli.py")}


def is_there(module: str, name: str) -> bool:
    found = importlib.import_module(module)
    inside = hasattr(found, "__path__") and importlib.util.find_spec(f"{module}.{name}") is not None
    return hasattr(found, name) or inside


def test_what_scripts_import_is_there() -> None:
    """They are no part of the package, and a type checker does not read them."""
    missing = []
    for folder in ("workflows", "benchmarks", "docs"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "weft":
                    lost = [name.name for name in node.names if not is_there(node.module, name.name)]
                    missing += [f"{file.relative_to(ROOT)}: {node.module}.{name}" for name in lost]
    assert not missing
