"""The pytest plugin, on workflows that need no model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Bench, node, simple

pytest_plugins = ["pytester"]


@pytest.fixture
def place(pytester: pytest.Pytester, bench: Bench, pictures: Path) -> Bench:
    """A project with one workflow and its golden; the folder pytest runs in."""
    # pytest is in this process already, with plugins that it would like to rewrite.
    quiet = '[tool.pytest.ini_options]\nfilterwarnings = ["ignore:Module already imported"]\n'
    pytester.makefile(".toml", pyproject=f'{quiet}[tool.weft.test]\ninput = "{pictures}"\ndevice = "cpu"\n')
    inside = Bench(pytester.path, bench.options, bench.instrument)
    inside.record(simple(), "picture")
    return inside


def changed() -> dict[str, Any]:
    workflow = simple()
    workflow["2"]["inputs"]["upscale_method"] = "lanczos"
    return workflow


def test_a_golden_is_an_item_and_a_node_a_subtest(place: Bench, pytester: pytest.Pytester) -> None:
    found = pytester.runpytest_inprocess("-v", "-p", "no:xdist")
    found.assert_outcomes(passed=1)
    found.stdout.fnmatch_lines(["*picture.golden.json::picture*SUBPASS*node 1*", "*PASSED*", "*4 subtests passed*"])


def test_a_difference_fails_one_subtest_and_names_the_cause(place: Bench, pytester: pytest.Pytester) -> None:
    place.write(changed(), "picture")
    found = pytester.runpytest_inprocess("-p", "no:xdist")
    found.stdout.fnmatch_lines(
        ["*node 2 *", "*cause: an input changed: input 'upscale_method': 'bilinear' -> 'lanczos'*", "*.html"]
    )
    assert found.ret == pytest.ExitCode.TESTS_FAILED
    # Nodes 3 and 4 are consequences: said at node 2, failing nothing of their own.
    found.stdout.fnmatch_lines(["*= 1 failed, 1 subtests failed in *"])
    (page,) = pytester.path.parent.rglob("picture.html")
    assert "data:image/png;base64," in page.read_text()


def test_update_accepts(place: Bench, pytester: pytest.Pytester) -> None:
    place.write(changed(), "picture")
    pytester.runpytest_inprocess("-p", "no:xdist", "--weft-update").assert_outcomes(passed=1)
    pytester.runpytest_inprocess("-p", "no:xdist").assert_outcomes(passed=1)
    golden = json.loads((pytester.path / "picture.golden.json").read_text())
    assert golden["nodes"]["2"]["inputs"]["upscale_method"] == "lanczos"


def test_update_is_refused_in_ci(
    place: Bench, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    found = pytester.runpytest_inprocess("-p", "no:xdist", "--weft-update")
    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines(["*--weft-update is refused where CI=true*"])


def test_assertions_belong_to_the_golden_beside_them(place: Bench, pytester: pytest.Pytester) -> None:
    (pytester.path / "picture.test.toml").write_text('markers = ["weft"]\n[[assert]]\nnode = "4"\nsize = [64, 65]\n')
    found = pytester.runpytest_inprocess("-p", "no:xdist")
    found.stdout.fnmatch_lines(["*4: size = [[]64, 65[]]*", "*got 64 x 64*"])
    assert found.ret == pytest.ExitCode.TESTS_FAILED


def test_assertions_alone_are_an_item_with_their_markers(place: Bench, pytester: pytest.Pytester) -> None:
    (pytester.path / "picture.golden.json").unlink()
    (pytester.path / "picture.test.toml").write_text('markers = ["slow"]\n[[assert]]\nnode = "4"\nfiles = 1\n')
    pytester.makeini("[pytest]\nmarkers = slow\n")
    pytester.runpytest_inprocess("-p", "no:xdist", "-m", "slow").assert_outcomes(passed=1)
    pytester.runpytest_inprocess("-p", "no:xdist", "-m", "not slow").assert_outcomes(deselected=1)


def test_a_broken_golden_is_one_failing_item(place: Bench, pytester: pytest.Pytester) -> None:
    golden = pytester.path / "picture.golden.json"
    golden.write_text(golden.read_text()[:500])
    found = pytester.runpytest_inprocess("-p", "no:xdist")
    found.stdout.fnmatch_lines(["*truncated or no JSON*"])
    assert found.ret == pytest.ExitCode.TESTS_FAILED


def test_a_workflow_counts_once_however_many_of_its_nodes_differ(place: Bench, pytester: pytest.Pytester) -> None:
    workflow = simple()
    workflow |= {
        "5": node("EmptyImage", width=8, height=8, batch_size=1, color=1),
        "6": node("PreviewImage", images=["5", 0]),
    }
    place.record(workflow, "second")
    workflow["5"]["inputs"]["color"] = 2
    workflow["2"]["inputs"]["upscale_method"] = "lanczos"
    place.write(workflow, "second")
    found = pytester.runpytest_inprocess("-p", "no:xdist", "-v")
    assert sum("SUBFAILED" in line for line in found.outlines) == 2
    found.stdout.fnmatch_lines(["first divergence: node 2 *", "another one: node 5 *"])
    (summary,) = (line for line in found.outlines if line.startswith("FAILED"))
    assert summary.startswith("FAILED second.golden.json::second - Failed: first divergence: ")
    found.stdout.fnmatch_lines(["*= 1 failed, 1 passed, 8 subtests passed, 2 subtests failed in *"])


@pytest.mark.slow
def test_workers_share_nothing(place: Bench, pytester: pytest.Pytester) -> None:
    place.record(simple(), "second")
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=2)


def test_fixtures_run_and_check_from_python(place: Bench, pytester: pytest.Pytester) -> None:
    place.write(changed(), "other")
    pytester.makepyfile(
        """
        def test_run(weft_run, tmp_path):
            result = weft_run("picture.json", targets=["3"])
            assert result["3"][0].shape == (1, 64, 64, 3)
            assert all(file.is_relative_to(tmp_path) for file in result.files)

        def test_golden(weft_golden):
            assert weft_golden("picture.json").status == "passed"

        def test_without(weft_golden):
            weft_golden("other.json")
        """
    )
    found = pytester.runpytest_inprocess("-p", "no:xdist", "-k", "test_")
    found.assert_outcomes(passed=2, failed=1)
    found.stdout.fnmatch_lines(["*other.json has no golden*--weft-update*"])
    pytester.runpytest_inprocess("-p", "no:xdist", "-k", "test_without", "--weft-update").assert_outcomes(
        passed=1, deselected=3
    )
    pytester.runpytest_inprocess("-p", "no:xdist", "-k", "test_").assert_outcomes(passed=3, deselected=2)
