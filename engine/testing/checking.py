"""Checks one case: runs its workflow, compares with the golden, evaluates the assertions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from engine.cache import Cache
from engine.errors import Interrupted, UsageError, WeftError
from engine.events import Observer
from engine.registry import Registry
from engine.testing.assertions import Assertions, evaluate, read_assertions
from engine.testing.cases import Case, workflow_of
from engine.testing.comparison import Side, compare
from engine.testing.goldens import BrokenGolden, Golden, How, read_golden, wanted
from engine.testing.instrument import Instrument
from engine.testing.matching import match
from engine.testing.records import TensorLeaf
from engine.testing.running import Run, performed
from engine.testing.settings import Options, options_for
from engine.testing.tolerances import Tolerances, distance, read_rules
from engine.testing.verdicts import RAN, Comparison, Divergence, NodeVerdict, Verdict


@dataclass(frozen=True)
class Checked:
    """A verdict and, where something ran, what it is made from."""

    case: Case
    verdict: Verdict
    workflow: Path | None = None
    run: Run | None = None
    golden: Golden | None = None


@contextmanager
def checked(
    case: Case,
    options: Options,
    instrument: Instrument,
    *,
    registry: Registry | None = None,
    observers: Sequence[Observer] = (),
    cache: Cache | None = None,
) -> Iterator[Checked]:
    """Check a case; the files that its run wrote are there until the block ends.

    What keeps a workflow from being checked becomes a verdict with an `error`; an interruption is raised.
    """
    with ExitStack() as stack:
        try:
            found = _checked(case, options, instrument, registry, observers, cache, stack)
        except Interrupted:
            raise
        except WeftError as error:
            found = Checked(case, Verdict(case.shown, case.golden, error=str(error)))
        yield found


def _checked(
    case: Case,
    options: Options,
    instrument: Instrument,
    registry: Registry | None,
    observers: Sequence[Observer],
    cache: Cache | None,
    stack: ExitStack,
) -> Checked:
    golden = read_golden(case.golden, instrument) if case.golden.exists() else None
    assertions = read_assertions(case.assertions) if case.assertions.exists() else Assertions(case.assertions)
    workflow, how = _what(case, golden, assertions)
    options = options.over(options_for(case.folder))
    known: set[str] = set() if golden is None else set(_digests(golden))

    def wants(node_id: str, leaf: TensorLeaf) -> bool:
        if golden is None:
            return assertions.needs_tensors
        return leaf.digest not in known or assertions.needs_tensors or wanted(leaf, how.keep)

    run = stack.enter_context(
        performed(
            workflow,
            how,
            options,
            instrument,
            wants,
            runs=assertions.runs,
            registry=registry,
            observers=observers,
            cache=cache,
        )
    )
    comparison = _bare(run) if golden is None else against(case, golden, run, options, instrument)
    asserted = () if run.failed else tuple(evaluate(assertions, run, instrument))
    verdict = Verdict(
        case.shown,
        workflow,
        comparison,
        asserted,
        seconds=run.total,
        before=golden.document.birth if golden is not None else None,
        now=run.recording.birth,
        records=run.recording.nodes,
        tensors=run.tensors,
    )
    return Checked(case, verdict, workflow, run, golden)


def _what(case: Case, golden: Golden | None, assertions: Assertions) -> tuple[Path, How]:
    """The workflow file, and how it is run: as the golden says, else as the assertions say."""
    if golden is None:
        how = How(sampling=assertions.sampling, overrides=assertions.overrides, targets=assertions.targets)
        named = assertions.workflow
        return case.folder / named if named is not None else workflow_of(case, None), how
    for name in ("workflow", "overrides", "targets", "sampling"):
        if getattr(assertions, name):
            key = "set" if name == "overrides" else name
            hint = f"say it when recording: weft test record --{key} ..." if key in ("set", "sampling") else ""
            raise UsageError(f"{assertions.path}: {key} stands beside a golden, which says how to run", hint=hint)
    return workflow_of(case, golden.document.workflow), golden.document.how


def against(case: Case, golden: Golden, run: Run, options: Options, instrument: Instrument) -> Comparison:
    """A run compared with its golden. Raises BrokenGolden where they have next to nothing in common."""
    old, new = golden.recording.nodes, run.recording.nodes
    partners = sum(old[before].class_type == new[now].class_type for now, before in match(old, new).items())
    if 2 * partners < len(old) and not run.failed and not run.unseen:
        raise BrokenGolden(
            f"golden {case.golden}: it is of another workflow: {partners} of its {len(old)} nodes are in this one",
            hint="record it again: weft test record --force",
        )
    return compared(case.name, golden, run.side, options, instrument)


def compared(name: str, golden: Golden, now: Side, options: Options, instrument: Instrument) -> Comparison:
    """A recording compared with a golden, by the options' tolerances and the golden's own."""
    apart = distance(golden.document.birth, now.recording.birth)
    rules = (*options.rules, *read_rules(golden.document.tolerances, f"{golden.path.name} tolerances"))
    why = f"asked for: {options.tolerance}" if options.tolerance else ""
    tolerances = Tolerances(apart, rules, asked=options.tolerance, why=why)
    return compare(name, Side(golden.recording, golden.tensors), now, apart, tolerances, instrument)


def _digests(golden: Golden) -> Iterator[str]:
    for node in golden.document.nodes.values():
        yield from (leaf.digest for _, _, leaf in node.leaves() if leaf.kind == "tensor")


def _bare(run: Run) -> Comparison:
    """What can be said without a golden: which nodes ran, and which raised."""
    nodes = []
    for node_id, node in run.recording.nodes.items():
        sources = tuple(dict.fromkeys(source for source, _ in node.links.values()))
        failed = run.failed.get(node_id)
        about = NodeVerdict(
            node_id, node.title, node.class_type, RAN, sources=sources, seconds=run.seconds.get(node_id)
        )
        nodes.append(about if failed is None else replace(about, state=failed.state, message=failed.message))
    raised = [node for node in (*nodes, *run.failed.values()) if node.message]
    divergences = [Divergence(node, "failure", f"it raised: {node.message}") for node in raised[:1]]
    return Comparison(tuple(nodes), tuple(divergences))
