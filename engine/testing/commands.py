"""What `weft test`, `weft test record` and `weft test accept` do; cli.py reads their arguments."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from weft.engine.errors import UsageError, WeftError, did_you_mean
from weft.engine.events import Event, NodeWarning, Observer
from weft.engine.schema.packs import Packs
from weft.engine.schema.registry import Registry
from weft.engine.terminal.answer import Answer
from weft.engine.terminal.streams import uninterrupted
from weft.engine.testing import recording
from weft.engine.testing.cases import ASSERTIONS, Case, discover, workflow_of
from weft.engine.testing.checking import Checked, checked, compared
from weft.engine.testing.comparison import Side
from weft.engine.testing.goldens import KEEPING, SUFFIX, Golden, How, golden_path, read_document, read_golden
from weft.engine.testing.instrument import Instrument, find_instrument
from weft.engine.testing.reports import terminal
from weft.engine.testing.reports.junit import junit
from weft.engine.testing.reports.page import page
from weft.engine.testing.settings import Options, options_for
from weft.engine.testing.tolerances import EXACT
from weft.engine.testing.verdicts import PASSED, SKIPPED, Verdict, unneeded
from weft.engine.wholefiles import write_whole

NOTHING_COLLECTED = 5


@dataclass(frozen=True)
class Reports:
    """The files that a check writes beside what it says (None: not this one); whether it says every node."""

    junit: Path | None = None
    page: Path | None = None
    verbose: bool = False

    def check(self) -> None:
        """Raise UsageError, before anything runs, for a file that cannot be written afterwards."""
        for file in (self.junit, self.page):
            if file is not None:
                _check_place(file)


class NothingCollected(WeftError):
    """There was nothing to test."""

    exit_code = NOTHING_COLLECTED


def record(
    answer: Answer,
    workflows: Sequence[Path],
    options: Options,
    *,
    overrides: Sequence[str] = (),
    targets: Sequence[str] = (),
    keep: str = "small",
    force: bool = False,
    folder: Path | None = None,
) -> None:
    """Record goldens beside workflows, or in `folder`. What is there already is refused before anything runs."""
    if keep not in KEEPING and not keep.isdecimal():
        expected = f"expected one of {', '.join(KEEPING)}, or a number of KiB"
        raise UsageError(f"--tensors {keep}: {expected}", hint=did_you_mean(keep, KEEPING))
    places: dict[Path, Path] = {}
    for workflow in workflows:
        if not workflow.is_file():
            raise UsageError(f"{workflow} is not there", hint="name workflow files")
        place = golden_path(workflow if folder is None else folder / workflow.name)
        if place in places.values():
            raise UsageError(f"{workflow}: another workflow has the golden {place} too")
        if place.exists() and not force:
            hint = "--force records it anew; `weft test accept` shows the difference first"
            raise UsageError(f"{place} is there already", hint=hint)
        places[workflow] = place
    for place in places.values():
        _make_writable(place.parent)
    instrument, registry = find_instrument(answer.notice), Registry.discover(answer.notice)
    for workflow, place in places.items():
        how = How(overrides=tuple(overrides), targets=tuple(targets), keep=keep).under(options.settings)
        with _watching(answer) as observers:
            run = recording.ran(
                workflow,
                instrument,
                how,
                options=options,
                registry=registry,
                observers=observers,
                cancel=answer.token,
            )
        with uninterrupted():
            written = recording.keep(run, workflow, place, instrument, new=not force)
            size = sum(file.stat().st_size for file in written)
            files = f"{len(written)} file{'s' if len(written) != 1 else ''}, {size / 1024:.0f} KiB"
            answer.out.line(("recorded", "green"), f" {place}: {len(run.recording.nodes)} nodes, {files}")


def _check_place(file: Path) -> None:
    if not file.parent.is_dir():
        raise UsageError(f"cannot write {file}: there is no folder {file.parent}")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UsageError(f"cannot write {file}: no permission")


def _make_writable(folder: Path) -> None:
    """Make a folder, or see whether it can be written to, before anything runs. Raises UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write goldens to {folder}: no permission", hint="name another one with --output")


@contextmanager
def _watching(answer: Answer) -> Iterator[list[Observer]]:
    """The observers of a run: its progress on a terminal, elsewhere its warnings."""
    if answer.err.console is not None and not answer.quiet:
        with answer.watching() as observers:
            yield observers
        return

    def warn(event: Event) -> None:
        if isinstance(event, NodeWarning):
            answer.warn(f"node {event.node_id}: {event.message}" if event.node_id else event.message)

    with answer.listening(warn) as observers:
        yield observers


@contextmanager
def _checked(
    answer: Answer, case: Case, options: Options, instrument: Instrument, registry: Registry
) -> Iterator[Checked]:
    """Check a case, and say how its run goes."""
    with (
        _watching(answer) as observers,
        checked(case, options, instrument, registry=registry, observers=observers, cancel=answer.token) as found,
    ):
        yield found


def check(answer: Answer, paths: Sequence[Path], options: Options, reports: Reports) -> None:
    """Check every case below the paths, say what was found, write the reports."""
    reports.check()
    cases = _collected(paths)
    instrument, registry = find_instrument(answer.notice), Registry.discover(answer.notice)
    started = time.perf_counter()
    verdicts: list[Verdict] = []
    for case in cases:
        with _checked(answer, case, options, instrument, registry) as found:
            verdict = found.verdict if reports.page is not None else without_tensors(found.verdict)
        verdicts.append(verdict)
        _say(answer, verdict, reports)
    _end(answer, verdicts, time.perf_counter() - started, reports, instrument)


def against(answer: Answer, paths: Sequence[Path], other: Path, options: Options, reports: Reports) -> None:
    """Compare goldens with those of the same names in `other`, a folder or a golden; nothing runs."""
    reports.check()
    cases = [case for case in _collected(paths) if case.golden.exists()]
    if not cases:
        raise NothingCollected("no goldens to compare", hint="weft test record WORKFLOW makes a golden")
    instrument = find_instrument(answer.notice)
    started = time.perf_counter()
    verdicts = []
    for case in cases:
        verdict = _against(case, other, options, instrument)
        verdicts.append(verdict)
        _say(answer, verdict, reports)
    _end(answer, verdicts, time.perf_counter() - started, reports, instrument)


def _against(case: Case, other: Path, options: Options, instrument: Instrument) -> Verdict:
    place = other / case.golden.name if other.is_dir() else other
    try:
        if not place.exists():
            raise UsageError(f"{other} has no {case.golden.name}")
        before, now = (read_golden(path, instrument) for path in (case.golden, place))
        options = options.over(options_for(case.folder))
        return _recorded(case.name, case.shown, before, now, options, instrument)
    except UsageError as error:
        return Verdict(case.shown, case.golden, error=str(error))


def _recorded(name: str, shown: str, before: Golden, now: Golden, options: Options, instrument: Instrument) -> Verdict:
    """Two goldens compared."""
    comparison = compared(name, before, Side(now.recording, now.tensors), options, instrument)
    return Verdict(
        shown,
        before.path,
        comparison,
        before=before.document.birth,
        now=now.document.birth,
        records=now.document.nodes,
        tensors=now.tensors,
    )


def twice(answer: Answer, paths: Sequence[Path], options: Options, reports: Reports) -> None:
    """Run each workflow in two processes; nodes that do not give the same bits are not deterministic."""
    reports.check()
    instrument = find_instrument(answer.notice)
    started = time.perf_counter()
    verdicts = []
    for shown, workflow, how, found in _to_run(paths, options):
        with TemporaryDirectory(prefix="weft-twice-") as place:
            goldens = [_in_a_process(workflow, how, found, Path(place) / str(number)) for number in (1, 2)]
            before, now = (read_golden(golden, instrument) for golden in goldens)
            exact = Options(tolerance=EXACT, sources={"tolerance": "--twice"})
            verdict = _recorded(workflow.stem, shown, before, now, exact, instrument)
        verdicts.append(verdict)
        _say(answer, verdict, reports)
        for divergence in [] if answer.as_json else verdict.comparison.divergences:
            answer.out.line("  ", ("not deterministic: ", "bold"), divergence.node.where)
    _end(answer, verdicts, time.perf_counter() - started, reports, instrument)


def _to_run(paths: Sequence[Path], options: Options) -> Iterator[tuple[str, Path, How, Options]]:
    """Workflows of cases, run as their goldens say, and workflow files that have no golden."""
    for path in paths or [Path()]:
        is_workflow = path.is_file() and not path.name.endswith((SUFFIX, ASSERTIONS))
        for case in [Case(path.parent, path.stem)] if is_workflow else _collected([path]):
            golden = read_document(case.golden) if case.golden.exists() else None
            how = golden.how if golden is not None else How()
            workflow = path if is_workflow else workflow_of(case, golden.workflow if golden is not None else None)
            yield case.shown, workflow, how, options.over(options_for(workflow.parent))


def _in_a_process(workflow: Path, how: How, options: Options, folder: Path) -> Path:
    """Record a workflow in a process of its own; returns the golden. Raises WeftError with what the process said."""
    # By its place and with a safe path: neither `-m` nor a script may look for code in the current folder.
    command = [sys.executable, "-P", str(Path(__file__).resolve().parents[2] / "cli.py")]
    command += ["test", "record", "--tensors", "all", "--output", str(folder)]
    for root in options.models or ():
        command += ["--models", str(root)]
    for name in ("input", "device", "dtype"):
        if getattr(options, name) is not None:
            command += [f"--{name}", str(getattr(options, name))]
    for name in ("custom_nodes", "nodes"):
        command += [
            part for place in options.code.get(name, ()) for part in (f"--{name.replace('_', '-')}", str(place))
        ]
    if options.code.get("trust_custom_nodes"):
        command += ["--trust-custom-nodes"]
    known = Packs.installed().settings
    for name, value in {**how.settings, **options.settings}.items():
        command += known[name].option(value).split(" ", 1)
    command += [part for text in how.overrides for part in ("--set", text)]
    command += [part for target in how.targets for part in ("--target", target)]
    command += ["--", str(workflow)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip()
        raise WeftError(f"{workflow} could not be run in a process of its own: {said.removeprefix('error: ')}")
    return folder / golden_path(workflow).name


def accept(
    answer: Answer,
    paths: Sequence[Path],
    options: Options,
    place: Path,
    *,
    only: Sequence[str] = (),
    everything: bool = False,
) -> None:
    """Write a page with what changed, then update the goldens that were named, or that a person at a terminal names."""
    if everything and os.environ.get("CI", "").lower() in ("true", "1"):
        raise UsageError("--all is refused where CI=true: a person looks first", hint="name them with --only")
    _check_place(place)
    cases = [case for case in _collected(paths) if case.is_there]
    instrument, registry = find_instrument(answer.notice), Registry.discover(answer.notice)
    started = time.perf_counter()
    found: list[Checked] = []
    for case in cases:
        with _checked(answer, case, options, instrument, registry) as one:
            found.append(one)
        if one.verdict.is_bad:
            _say(answer, one.verdict, Reports())
    differing = [one for one in found if _acceptable(one)]
    if not differing:
        bad = sum(one.verdict.is_bad for one in found)
        answer.out.line(f"nothing to accept: {len(found)} checked" + (f", {bad} cannot be accepted" if bad else ""))
        if bad:
            raise SystemExit(1)
        return
    content = page([one.verdict for one in differing], time.perf_counter() - started, instrument,
                   title="Weft: accept these changes?")  # fmt: skip
    with uninterrupted():
        write_whole(place, content.encode())
        answer.out.line("before, after and difference: ", (str(place), "bold"))
    chosen = differing if everything else _named(differing, only) if only else _asked(answer, differing, place)
    for one in chosen:
        assert one.workflow is not None
        assert one.run is not None
        with uninterrupted():
            written = recording.keep(one.run, one.workflow, one.case.golden, instrument)
            answer.out.line(("accepted", "green"), f" {one.case.golden}: {len(written)} files")
    left = sum(one.verdict.is_bad for one in found) - len(chosen)
    if left or any(not asserted.holds for one in chosen for asserted in one.verdict.assertions):
        raise SystemExit(1)


def _acceptable(one: Checked) -> bool:
    """Whether there is a golden and a whole run that differs from it."""
    return one.golden is not None and one.run is not None and not one.run.failed and one.verdict.first is not None


def _named(differing: Sequence[Checked], names: Sequence[str]) -> list[Checked]:
    """The cases of these names. Raises UsageError for one that does not differ."""
    chosen = []
    for name in names:
        fitting = [one for one in differing if name in (one.case.name, one.case.shown, str(one.case.golden))]
        if not fitting:
            known = [one.case.name for one in differing]
            hint = did_you_mean(name, known)
            raise UsageError(f"--only {name}: no such difference; there are {', '.join(known)}", hint=hint)
        chosen += fitting
    return chosen


def _asked(answer: Answer, differing: Sequence[Checked], place: Path) -> list[Checked]:
    """What a person at the terminal wants accepted; nothing where nobody is there to ask."""
    for count, one in enumerate(differing, 1):
        answer.out.line(f"{count:4}  {one.case.shown}")
    if not sys.stdin.isatty():
        answer.out.line("nothing is accepted: name them with --only NAME, or all with --all")
        return []
    webbrowser.open(place.resolve().as_uri())
    answer.out.write("accept which? (such as 1,3-5, all; nothing for none) ")
    wanted_ones = read_choice(sys.stdin.readline(), len(differing))
    return [differing[number - 1] for number in wanted_ones]


def read_choice(text: str, count: int) -> list[int]:
    """Numbers from 1 to `count` in `1,3-5` or `all`. Raises UsageError for anything else."""
    text = text.strip()
    if text in ("", "none"):
        return []
    if text == "all":
        return list(range(1, count + 1))
    chosen: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"{part.strip()!r} is no number and no range", hint="1,3-5, all, or nothing")
        numbers = range(int(first), int(last if dash else first) + 1)
        if not numbers or numbers[0] < 1 or numbers[-1] > count:
            raise UsageError(f"{part.strip()!r}: there are numbers 1 to {count}")
        chosen.update(dict.fromkeys(numbers))
    return list(chosen)


def _collected(paths: Sequence[Path]) -> list[Case]:
    cases = discover(paths or [Path()])
    if not cases:
        where = ", ".join(str(path) for path in paths) or "the current folder"
        hint = "weft test record WORKFLOW makes a golden"
        raise NothingCollected(f"no goldens, no assertions and no workflows that assert in {where}", hint=hint)
    return cases


def _say(answer: Answer, verdict: Verdict, reports: Reports) -> None:
    if answer.as_json or (answer.quiet and verdict.status == PASSED):
        return
    for line in terminal.lines(verdict, verbose=reports.verbose):
        answer.out.line(*line)


def _end(answer: Answer, verdicts: Sequence[Verdict], seconds: float, reports: Reports, instrument: Instrument) -> None:
    """Write the reports, say the sum; ends the command with exit code 1 where something did not pass."""
    if reports.junit is not None:
        write_whole(reports.junit, junit(verdicts))
    if reports.page is not None:
        write_whole(reports.page, page(verdicts, seconds, instrument).encode())
    failed = sum(verdict.is_bad for verdict in verdicts)
    if answer.as_json:
        answer.document(summary(verdicts, seconds))
    else:
        for line in terminal.ending(verdicts, seconds):
            answer.out.line(*line)
    if failed:
        raise SystemExit(1)


def summary(verdicts: Sequence[Verdict], seconds: float) -> dict[str, Any]:
    """The JSON report."""
    failed, skipped = sum(v.is_bad for v in verdicts), sum(v.status == SKIPPED for v in verdicts)
    return {
        "status": "failed" if failed else "passed",
        "failed": failed,
        "passed": len(verdicts) - failed - skipped,
        "skipped": skipped,
        "seconds": round(seconds, 3),
        "unneeded_tolerances": unneeded(verdicts),
        "workflows": [verdict.to_json() for verdict in verdicts],
    }


def without_tensors(verdict: Verdict) -> Verdict:
    """The verdict without what only a page shows: a hundred workflows would fill the memory."""
    nodes = tuple(
        replace(node, findings=tuple(replace(finding, tensors=None) for finding in node.findings))
        for node in verdict.comparison.nodes
    )
    return replace(verdict, comparison=replace(verdict.comparison, nodes=nodes), tensors={})
