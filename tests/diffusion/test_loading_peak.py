"""Opening a large file takes its memory, however it keeps its numbers: the bound of benchmarks/loading.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow


def benchmark() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "loading.py"
    spec = importlib.util.spec_from_file_location("benchmark_loading", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("form", ["float16", "bfloat16", "float8_e4m3fn", "fp8_scaled", "Q8_0", "Q4_K"])
def test_the_peak_of_opening_a_wan_of_full_width_is_its_file(form: str, tmp_path: Path) -> None:
    """Two layers, every weight read; in a process of its own."""
    loading = benchmark()
    found = loading.opened(tmp_path, 2, form)
    assert found["file_bytes"] > 400e6
    assert 0.9 <= found["ratio"] <= loading.MEMORY_BOUND
