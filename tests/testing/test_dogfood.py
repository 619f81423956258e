"""The tutorial's own goldens: `make goldens` records them, pytest collects them from workflows/ by Weft's plugin."""

from __future__ import annotations

import tomllib
from pathlib import Path

from weft.engine.testing.goldens import SUFFIX, read_golden
from weft.engine.testing.instrument import Instrument

ROOT = Path(__file__).resolve().parent.parent.parent
WORKFLOWS = ROOT / "workflows"
GOLDENS = sorted(WORKFLOWS.glob(f"*{SUFFIX}"))


def test_every_graph_has_one_or_none_has() -> None:
    graphs = {file.stem for file in WORKFLOWS.glob("*.json") if file.name.count(".") == 1}
    assert {file.name.removesuffix(SUFFIX) for file in GOLDENS} in (graphs, set())


def test_make_test_collects_them() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert "workflows" in options["testpaths"]


def test_each_is_whole_and_says_how_independent_it_is(instrument: Instrument) -> None:
    for file in GOLDENS:
        golden = read_golden(file, instrument)
        assert golden.document.birth.independent.startswith("no: self-made")
        assert golden.document.birth.device == "cpu"
        assert golden.document.pictures, file
        assert str(ROOT) not in file.read_text()
