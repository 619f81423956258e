"""Checks one case: runs its workflow, compares with the golden, evaluates the assertions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from weft.engine.cache.protocol import Cache
from weft.engine.cancel import CancelToken
from weft.engine.errors import Interrupted, UsageError, WeftError
from weft.engine.events import Observer
from weft.engine.schema.registry import Registry
from weft.engine.testing.assertions import Assertions, evaluate, read_assertions
from weft.engine.testing.cases import Case, workflow_of
from weft.engine.testing.comparison import Side, compare
from weft.engine.testing.framework import NeedsGpu
from weft.engine.testing.goldens import BrokenGolden, Golden, How, read_golden
from weft.engine.testing.instrument import Instrument
from weft.engine.testing.matching import counterparts
from weft.engine.testing.records import TensorLeaf
from weft.engine.testing.running import Run, performed
from weft.engine.testing.settings import Options, options_for
from weft.engine.testing.tolerances import Tolerances, distance, read_rules
from weft.engine.testing.verdicts import HELD, RAN, UNSEEN, Asserted, Comparison, Divergence, NodeVerdict, Verdict
from weft.engine.testing.writing import wanted


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
    cancel: CancelToken | None = None,
) -> Iterator[Checked]:
    """Check a case; the files that its run wrote are there until the block ends.

    What keeps a workflow from being checked becomes a verdict with an `error`; an interruption is raised.
    """
    with ExitStack() as stack:
        try:
            found = _checked(case, options, instrument, registry, observers, cache, cancel, stack)
        except Interrupted:
            raise
        except NeedsGpu as error:
            of = error.definition
            skipped = Verdict(case.shown, case.place, skipped=error.message, title=of.name, description=of.description)
            found = Checked(case, skipped)
        except WeftError as error:
            found = Checked(case, Verdict(case.shown, case.place, error=str(error)))
        yield found


def _checked(
    case: Case,
    options: Options,
    instrument: Instrument,
    registry: Registry | None,
    observers: Sequence[Observer],
    cache: Cache | None,
    cancel: CancelToken | None,
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
            defined=golden is None,
            registry=registry,
            observers=observers,
            cache=cache,
            cancel=cancel,
        )
    )
    comparison = _bare(run) if golden is None else against(case, golden, run, options, instrument)
    asserted = () if run.ended else tuple(evaluate(assertions, run, instrument))
    verdict = Verdict(
        case.shown,
        workflow,
        comparison,
        (*_by_nodes(run, comparison), *asserted),
        title=run.definition.name if run.definition is not None else "",
        description=run.definition.description if run.definition is not None else "",
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
        how = How(overrides=assertions.overrides, targets=assertions.targets).under(assertions.settings)
        named = assertions.workflow
        return case.folder / named if named is not None else workflow_of(case, None), how
    said = {"workflow": assertions.workflow, "set": assertions.overrides, "targets": assertions.targets}
    for key, value in {**said, **assertions.settings}.items():
        if value:
            hint = "" if key in ("workflow", "targets") else f"say it when recording: weft test record --{key} ..."
            raise UsageError(f"{assertions.path}: {key} stands beside a golden, which says how to run", hint=hint)
    return workflow_of(case, golden.document.workflow), golden.document.how


def against(case: Case, golden: Golden, run: Run, options: Options, instrument: Instrument) -> Comparison:
    """A run compared with its golden. Raises BrokenGolden where they have next to nothing in common."""
    old, new = golden.recording.nodes, run.recording.nodes
    partners = sum(
        old[before].class_type == new[now].class_type for now, before in counterparts(old, new).pairs.items()
    )
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
    why = f"asked for by {options.sources.get('tolerance', '--class')}" if options.tolerance else ""
    tolerances = Tolerances(apart, rules, asked=options.tolerance, why=why)
    return compare(name, Side(golden.recording, golden.tensors), now, apart, tolerances, instrument)


def _digests(golden: Golden) -> Iterator[str]:
    for node in golden.document.nodes.values():
        yield from (leaf.digest for _, _, leaf in node.leaves() if leaf.kind == "tensor")


def _bare(run: Run) -> Comparison:
    """What can be said without a golden: which nodes ran, which raised, and to which the run did not come."""
    asserting = run.definition.asserting if run.definition is not None else ()
    nodes = []
    for node_id, node in run.recording.nodes.items():
        sources = tuple(dict.fromkeys(source for source, _ in node.links.values()))
        failed = run.failed.get(node_id)
        state = HELD if node_id in asserting else RAN
        about = NodeVerdict(
            node_id, node.title, node.class_type, state, sources=sources, seconds=run.seconds.get(node_id)
        )
        nodes.append(about if failed is None else replace(about, state=failed.state, message=failed.message))
    nodes += [failed for node_id, failed in run.failed.items() if node_id not in run.recording.nodes]
    raised = [node for node in nodes if node.message and node.node_id not in asserting]
    divergences = [Divergence(node, "failure", f"it raised: {node.message}") for node in raised]
    return Comparison((*nodes, *run.waiting.values()), tuple(divergences))


def _by_nodes(run: Run, comparison: Comparison) -> Iterator[Asserted]:
    """What the assertion nodes of a workflow found; one that did not run asserts nothing, and so does not hold."""
    if run.definition is None:
        return
    known = {node.node_id: node for node in comparison.nodes}
    for node_id in run.definition.asserting:
        node = known.get(node_id) or NodeVerdict(node_id, "", "", UNSEEN)
        where = node.where if node.title == node.class_type else f"{node.where}, {node.class_type}"
        said = "; ".join(_texts(run, node_id)) or "what it takes was called" if node.state == HELD else "it did not run"
        said = node.message or said
        yield Asserted(where, node.state == HELD, said, node_id)
    if run.late:
        yield Asserted(f"at most {run.definition.seconds:g} s", False, run.late)


def _texts(run: Run, node_id: str) -> Iterator[str]:
    """The texts that a node showed."""
    for value in run.recording.nodes[node_id].values:
        shown = [leaf.value for leaf in value.leaves.values() if value.name == "text" and leaf.kind == "plain"]
        yield from (str(text) for texts in shown for text in (texts if isinstance(texts, list) else [texts]))
