"""The pytest plugin: NAME.golden.json, NAME.test.toml and workflows that hold assertion nodes are tests.

One item a workflow, one subtest a node or an assertion.

    pytest workflows                      checks what lies there
    pytest workflows --weft-update        accepts what differs (refused where CI=true)

`weft_run` and `weft_golden` run and check a workflow from a test in Python. The options of a run stand in
[tool.weft.test]; the artefacts of a failure (a page, the pictures) go to the item's tmp_path.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from weft.engine.running.result import RunResult
    from weft.engine.testing.cases import Case
    from weft.engine.testing.checking import Checked
    from weft.engine.testing.verdicts import Verdict

GOLDEN, ASSERTIONS = ".golden.json", ".test.toml"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("weft", "Weft: workflows as tests")
    group.addoption(
        "--weft-update", action="store_true", help="write the goldens of workflows that differ; refused where CI=true"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "weft: a workflow that is compared with its golden")
    if config.getoption("--weft-update") and os.environ.get("CI", "").lower() in ("true", "1"):
        raise pytest.UsageError("--weft-update is refused where CI=true: a person looks first")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A golden; assertions and workflows with assertion nodes that have none beside them: those belong to it."""
    if file_path.name.endswith(GOLDEN):
        return WorkflowFile.from_parent(parent, path=file_path)
    if file_path.name.endswith(ASSERTIONS):
        golden = file_path.with_name(file_path.name.removesuffix(ASSERTIONS) + GOLDEN)
        return None if golden.exists() else WorkflowFile.from_parent(parent, path=file_path)
    if file_path.suffix == ".json" and _may_assert(file_path):
        from weft.engine.testing.cases import stands_alone

        return WorkflowFile.from_parent(parent, path=file_path) if stands_alone(file_path) else None
    return None


def _may_assert(file: Path) -> bool:
    """Whether it is worth the imports to look closer."""
    try:
        text = file.read_bytes() if file.is_file() else b""
    except OSError:
        return False
    return b'"class_type"' in text or (b'"nodes"' in text and b'"links"' in text)


class WorkflowFile(pytest.File):
    """A golden, an assertions file, or a workflow with assertion nodes."""

    def collect(self) -> Iterable[pytest.Item]:
        from weft.engine.testing.cases import case_of

        case = case_of(self.path)
        item: pytest.Item = WorkflowItem.from_parent(self, name=case.name, callobj=_test(case))
        item.add_marker("weft")
        for name in _markers(case):
            item.add_marker(name)
        yield item


class WorkflowItem(pytest.Function):
    """One workflow; a pytest.Function, so that fixtures and subtests work in it as in any test."""

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"workflow {self.name}"


def _markers(case: Case) -> tuple[str, ...]:
    from weft.engine.errors import UsageError
    from weft.engine.testing.assertions import read_assertions

    try:
        return read_assertions(case.assertions).markers if case.assertions.exists() else ()
    except UsageError:
        return ()  # the item itself says what is wrong


def _test(case: Case) -> Any:
    """The test function of a case; pytest gives it the fixtures."""

    def test(weft_check: CaseCheck, subtests: pytest.Subtests) -> None:
        verdict = weft_check(case)
        if verdict.skipped:
            pytest.skip(verdict.skipped)
        wrong = []
        for message, told in failures(verdict):
            with subtests.test(msg=message):
                if told:
                    wrong.append(told if verdict.error or "\n" in told else f"{message}: {told}")
                    pytest.fail(told, pytrace=False)
        if wrong:
            pytest.fail(dedent("\n".join(wrong)), pytrace=False)

    return test


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """A workflow counts once, however many of its nodes differ: its item fails, and says which."""
    if isinstance(report, pytest.SubtestReport) and report.failed and "weft" in report.keywords:
        return "subtests failed", "u", f"SUBFAILED[{report.context.msg}]"
    return None


def failures(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """The subtests of a workflow: name, and what is wrong (empty: nothing)."""
    from weft.engine.testing.reports.terminal import divergence_lines, text_of

    if verdict.error:
        yield verdict.subject, verdict.error
    begins = {divergence.node.node_id: divergence for divergence in verdict.comparison.divergences}
    first = next(iter(begins), None)
    for node in verdict.told:
        told = ""
        if node.node_id in begins:
            found = divergence_lines(verdict, begins[node.node_id], first=node.node_id == first)
            told = "\n".join(text_of(line) for line in found)
        # A consequence is named where the difference begins, and fails nothing of its own.
        yield node.where, told
    for asserted in verdict.assertions:
        yield asserted.text, "" if asserted.holds else asserted.why


class CaseCheck(Protocol):
    """Checks a case, writes artefacts, accepts where --weft-update asks for it."""

    def __call__(self, case: Case) -> Verdict: ...


@pytest.fixture
def weft_check(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CaseCheck]:
    """Checks a case; what its run wrote stays until the test ends."""
    from weft.engine.testing.checking import checked
    from weft.engine.testing.instrument import find_instrument
    from weft.engine.testing.settings import Options

    instrument = find_instrument()
    with ExitStack() as stack:

        def check(case: Case) -> Verdict:
            found = stack.enter_context(checked(case, Options(), instrument))
            if found.verdict.first is not None and request.config.getoption("--weft-update"):
                return _updated(found, instrument)
            if found.verdict.is_bad:
                from weft.engine.testing.reports.page import page
                from weft.engine.wholefiles import write_whole

                place = tmp_path / f"{case.name}.html"
                write_whole(place, page([found.verdict], found.verdict.seconds, instrument).encode())
                request.node.add_report_section("call", "weft", f"expected, got and difference: {place}")
            return found.verdict

        yield check


def _updated(found: Checked, instrument: Any) -> Verdict:
    """The verdict on what differed, once the golden is what was got."""
    from dataclasses import replace

    from weft.engine.testing.recording import keep
    from weft.engine.testing.verdicts import Comparison

    if found.run is None or found.golden is None or found.workflow is None or found.run.failed:
        return found.verdict
    keep(found.run, found.workflow, found.case.golden, instrument)
    return replace(found.verdict, comparison=Comparison())


class RunWorkflow(Protocol):
    """weft.run, with the folders of [tool.weft.test] and an output folder of the test's own."""

    def __call__(self, workflow: str | Path | dict[str, Any], **options: Any) -> RunResult: ...


@pytest.fixture
def weft_run(tmp_path: Path) -> RunWorkflow:
    """Runs a workflow as weft.run does; models, input, device, ... as [tool.weft.test] says, output in tmp_path."""

    def run(workflow: str | Path | dict[str, Any], **options: Any) -> RunResult:
        import weft
        from weft.engine.testing.settings import options_for

        folder = Path.cwd() if isinstance(workflow, dict) else Path(workflow).parent
        said = options_for(folder)
        names = ("models", "input", "device", "dtype")
        configured = {name: getattr(said, name) for name in names if getattr(said, name) is not None}
        return weft.run(workflow, **{"output": tmp_path / "output", **configured, **said.settings, **options})

    return run


class CheckGolden(Protocol):
    """Fails the test where a workflow differs from its golden; records one that is not there under --weft-update."""

    def __call__(self, workflow: str | Path) -> Verdict: ...


@pytest.fixture
def weft_golden(weft_check: CaseCheck, request: pytest.FixtureRequest) -> CheckGolden:
    """Checks a workflow file against the golden beside it."""

    def check(workflow: str | Path) -> Verdict:
        __tracebackhide__ = True
        from weft.engine.testing.cases import named
        from weft.engine.testing.instrument import find_instrument
        from weft.engine.testing.recording import record

        path = Path(workflow)
        case = named(path)
        if not case.is_there:
            if not request.config.getoption("--weft-update"):
                hint = f"run pytest with --weft-update, or weft test record {path}"
                pytest.fail(f"{path} has no golden: {hint}", pytrace=False)
            record(path, find_instrument())
        verdict = weft_check(case)
        wrong = [f"{message}: {told}" for message, told in failures(verdict) if told]
        if wrong:
            pytest.fail("\n".join(wrong), pytrace=False)
        return verdict

    return check
