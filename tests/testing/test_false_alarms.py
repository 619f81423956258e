"""The same workflow again, elsewhere: in another process, with another thread count, with a warm cache. All pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from weft.engine.cache.memory import MemoryCache
from weft.engine.testing.cases import case_of
from weft.engine.testing.checking import checked
from weft.engine.testing.tolerances import CLOSE, EXACT
from weft.engine.testing.verdicts import PASSED, SAME

from .conftest import Bench, drawing, node, simple

ROOT = Path(__file__).resolve().parent.parent.parent


def elsewhere(bench: Bench, *arguments: str, threads: int = 1) -> subprocess.CompletedProcess[str]:
    """`weft test ...` in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT / "src")}
    assert bench.options.models is not None
    folders = ["--models", str(bench.options.models[0]), "--input", str(bench.options.input), "--device", "cpu"]
    command = [sys.executable, "-m", "weft.cli", "test", *arguments, *folders]
    return subprocess.run(
        command, cwd=bench.folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.parametrize(("threads", "name"), [(1, EXACT), pytest.param(2, CLOSE, marks=pytest.mark.slow)])
def test_another_process_and_thread_count(threads: int, name: str, bench: Bench) -> None:
    import torch

    assert torch.get_num_threads() == 1, "recorded with one thread"
    bench.record(drawing())
    ended = elsewhere(bench, "check", "w.json", "--json", threads=threads)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (found,) = json.loads(ended.stdout)["workflows"]
    assert found["tolerance"]["class"] == name
    if threads > 1:
        assert "threads: 1 -> 2" in found["environment"]


def test_a_warm_cache(bench: Bench) -> None:
    cache = MemoryCache()
    bench.record(drawing())
    for warm in (False, True):
        with checked(case_of(bench.folder / "w.json"), bench.options, bench.instrument, cache=cache) as found:
            assert found.verdict.status == PASSED
            assert found.verdict.comparison.tolerance == EXACT
            assert found.run is not None
            assert bool(found.run.cached) is warm
    states = {verdict.node_id: verdict.state for verdict in found.verdict.comparison.nodes}
    assert states["10"] == SAME


@pytest.mark.slow
def test_twice_passes_what_is_deterministic(bench: Bench) -> None:
    bench.write(simple())
    ended = elsewhere(bench, "--twice", "w.json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "pass  w: 4 nodes equal" in ended.stdout


def test_twice_names_a_node_that_is_not(bench: Bench, tmp_path: Path) -> None:
    """A pack whose node gives the time: found through its entry point, as any pack."""
    pack = tmp_path / "pack"
    (pack / "dice-1.dist-info").mkdir(parents=True)
    (pack / "dice-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: dice\nVersion: 1\n")
    (pack / "dice-1.dist-info" / "entry_points.txt").write_text("[weft.nodes]\ndice = dice:NODES\n")
    (pack / "dice.py").write_text(
        "import os\n"
        "from typing import Annotated\n"
        "from weft.engine.schema.authoring import node\n"
        "from weft.engine.schema.sockets import Socket\n"
        "from weft.nodes.core.types import Image\n"
        "@node(category='test')\n"
        "def Grain(*, image: Image) -> Image:\n"
        "    import torch\n"
        "    return image + torch.rand(image.shape, generator=torch.Generator().manual_seed(os.getpid()))\n"
        "NODES = {'Grain': Grain}\n"
    )
    workflow = simple()
    workflow["3"] = node("Grain", image=["2", 0])
    bench.write(workflow)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{pack}{os.pathsep}{ROOT / 'src'}"}
    command = [sys.executable, "-m", "weft.cli", "test", "--twice", "w.json", "--input", str(bench.options.input)]
    ended = subprocess.run(
        command, cwd=bench.folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert 'not deterministic: node 3 "Grain"' in ended.stdout
    assert "node 2" not in ended.stdout
