"""No module of the engine names a node class, a sampler, a schedule or a sampling mode: packs say what there is.

Names are searched for as whole words in texts and identifiers. Docstrings may give examples, and so may what EXAMPLES
lists. Samplers, schedules and modes that are a single word (`normal`, `simple`) are searched for as whole texts alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from weft.engine.formats.virtual import OWN
from weft.engine.schema import sockets
from weft.engine.schema.registry import Registry

ENGINE = Path(__file__).resolve().parent.parent / "engine"
FILES = sorted(ENGINE.rglob("*.py"))
SOCKETS = frozenset(("Int", "Float"))
"""Node classes of packs whose names are those of the engine's own sockets."""
EXAMPLES = {
    "commands/nodes.py": "weft nodes KSampler and the like in the help",
    "commands/run.py": "--set 'KSampler (Advanced)#2.end_at_step=8' in the help",
    "commands/validate.py": "--set KSampler.steps=0 in the help",
    "terminal/options.py": "'KSampler (Advanced)#2' and (LoadImage, LoadLatent, ...) in the help",
    "commands/sweep.py": "--grid KSampler.cfg=1..8 and the like in the help",
    "workflow/validation.py": "add SaveImage or PreviewImage: what to do about a prompt without outputs",
}
"""File -> the examples that it gives to people."""


def names() -> tuple[set[str], set[str]]:
    """The names that are searched for as words, and those that are as whole texts."""
    registry = Registry.discover()
    inputs = registry["KSampler"].by_name
    algorithms = {
        name
        for socket in (inputs["sampler_name"].socket, inputs["scheduler"].socket)
        for name in (*socket.choices, *socket.unsupported)  # type: ignore[attr-defined]
    }
    modes = {value for setting in registry.packs.recorded.values() for value in setting.words if isinstance(value, str)}
    frontend = registry.packs.frontend
    # Two literals of a pack are called as the engine's own types are.
    classes = {*registry, *frontend.virtual, *frontend.renamed, *frontend.classes} - OWN.keys() - vars(sockets).keys()
    # A single word may stand in any sentence.
    common = {name for name in algorithms | modes if name.isalpha()}
    return (classes | algorithms | modes) - common, common


WORDS, TEXTS = names()
WORD = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, sorted(WORDS, key=len, reverse=True))) + r")(?!\w)")


def docstrings(tree: ast.AST) -> set[int]:
    """The ids of the texts that are a statement of their own."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def said(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each text and identifier of a module."""
    tree = ast.parse(source)
    skipped = docstrings(tree)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Constant(value=str() | bytes() as value) if id(node) not in skipped:
                yield line, value if isinstance(value, str) else value.decode(errors="replace")
            case ast.Name(id=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)) | ast.Attribute(attr=name):
                yield line, name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.alias(name=name):
                yield line, name


def found(source: str) -> list[str]:
    """The names that a module has, each with its line."""
    return [
        f"{line}: {name}"
        for line, text in said(source)
        for name in [*WORD.findall(text), *([text] if text in TEXTS else [])]
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ENGINE)))
def test_the_engine_names_no_node_no_sampler_and_no_mode(file: Path) -> None:
    here = found(file.read_text())
    if str(file.relative_to(ENGINE)) in EXAMPLES:
        assert here, "it gives no example any more"
    else:
        assert here == []


@pytest.mark.parametrize(
    "source",
    [
        'if class_type == "KSampler":\n    pass',
        'message = "a KSampler (Advanced) of it"',
        'KINDS = {b"AssertEqual"}',
        "def CLIPTextEncode() -> None: ...",
        "lower(sampler=dpmpp_2m_sde)",
        'mode == "continuous"',
        'name in ("euler", "dpm_fast")',
        '{"SetNode": 1}',
        'renamed = {"T2IAdapterLoader": 2}',
    ],
)
def test_a_name_is_found(source: str) -> None:
    assert found(source)


@pytest.mark.parametrize("source", ['"""As KSampler does."""', 'text = "a beta of normal size"', 'kind = "Reroute"'])
def test_what_is_none_is_not(source: str) -> None:
    assert not found(source)
