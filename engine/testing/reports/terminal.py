"""The report for a person: failures first, the first divergence at the top of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from weft.engine.terminal.streams import Line
from weft.engine.terminal.words import seconds_text
from weft.engine.testing.verdicts import (
    BROKEN,
    DIFFERENT,
    DIVERGED,
    FAILED,
    HELD,
    PASSED,
    RAN,
    SAME,
    SKIPPED,
    WITHIN,
    Divergence,
    Finding,
    NodeVerdict,
    Verdict,
    number,
    unneeded,
)

_SHOWN = 8
_LABELS = {PASSED: ("pass ", "green"), DIFFERENT: ("FAIL ", "bold red"), BROKEN: ("ERROR", "bold red"),
           SKIPPED: ("skip ", "yellow")}  # fmt: skip


def lines(verdict: Verdict, *, verbose: bool = False) -> Iterator[Line]:
    """What is said of one workflow as soon as it is checked; `verbose` has every node and every value."""
    label = _LABELS[verdict.status]
    if verdict.error:
        yield [label, " ", (verdict.shown, "bold")]
        yield ["  ", verdict.error]
        return
    if verdict.skipped:
        yield [label, " ", (verdict.shown, "bold"), f": {verdict.skipped}"]
        return
    yield [label, " ", (verdict.shown, "bold"), f": {_summary(verdict)}"]
    for place, divergence in enumerate(verdict.comparison.divergences):
        yield from divergence_lines(verdict, divergence, first=place == 0)
    for asserted in verdict.assertions:
        if not asserted.holds:
            why = f": {asserted.why}" if asserted.got else ""
            yield ["  ", ("assertion", "bold red"), f" {asserted.text}{why}"]
    if verbose:
        yield from _nodes(verdict.comparison.nodes)
    else:
        yield from _tightest(verdict.comparison.nodes)
    for note in verdict.comparison.notes:
        yield ["  ", ("note: ", "cyan"), note]


def _summary(verdict: Verdict) -> str:
    nodes, parts = verdict.comparison.nodes, []
    if verdict.before is not None:
        differing = sum(node.state not in (SAME, WITHIN) for node in nodes)
        within = sum(node.state == WITHIN for node in nodes)
        parts.append(f"{differing} of {len(nodes)} nodes differ" if differing else f"{len(nodes) - within} nodes equal")
        if within:
            parts.append(f"{within} within tolerance")
        parts.append(f"class {verdict.comparison.tolerance} ({verdict.comparison.why})")
    if verdict.assertions:
        held = sum(asserted.holds for asserted in verdict.assertions)
        parts.append(f"{held} of {len(verdict.assertions)} assertions hold")
    if not parts:
        parts.append(f"{sum(node.state in (RAN, HELD) for node in nodes)} nodes ran")
    return ", ".join([*parts, seconds_text(verdict.seconds)])


def _nodes(nodes: Sequence[NodeVerdict]) -> Iterator[Line]:
    for node in nodes:
        yield ["  ", (f"{node.state:8} ", _COLORS.get(node.state, "dim")), node.where]
        for finding in node.findings:
            yield ["           ", f"{finding.name}: {finding.verdict}"]


_COLORS = {SAME: "green", WITHIN: "green", HELD: "green", DIVERGED: "red", FAILED: "red"}


def _tightest(nodes: Sequence[NodeVerdict]) -> Iterator[Line]:
    """The value that is nearest to its limit: how much room is left."""
    within = [(finding, node) for node in nodes for finding in node.findings if finding.state == WITHIN]
    if within:
        finding, node = max(within, key=lambda pair: pair[0].strain)
        yield ["  ", (f"nearest to its limit: {node.where}, {finding.name}: {finding.verdict}", "dim")]


def text_of(line: Line) -> str:
    """A line without its styles."""
    return "".join(part if isinstance(part, str) else part[0] for part in line)


def divergence_lines(verdict: Verdict, divergence: Divergence, *, first: bool) -> Iterator[Line]:
    """Where a difference begins, why, what was got and expected, and what follows from it."""
    node = divergence.node
    head = "first divergence: " if first else "another one: "
    yield ["  ", (head, "bold"), (node.where, "bold red"), f", {node.class_type}" * (node.class_type != node.title)]
    yield ["    ", ("cause: ", "bold"), f"{KINDS[divergence.kind]}: {divergence.cause}"]
    shown = divergence.seen_at or node
    if divergence.seen_at is not None:
        yield ["    ", f"seen at {shown.where}:"]
        if shown.changes:
            yield ["    ", f"which changed too: {'; '.join(change.text for change in shown.changes)}"]
    bad = [finding for finding in shown.findings if finding.state == DIVERGED]
    for finding in bad[:_SHOWN]:
        yield from (["    ", *line] for line in finding_lines(finding))
    if len(bad) > _SHOWN:
        yield ["    ", f"and {len(bad) - _SHOWN} more values"]
    below = [v for v in verdict.comparison.nodes if v.node_id in divergence.consequences and v is not shown]
    below = [v for v in below if v.node_id != shown.node_id]
    if below:
        names = ", ".join(v.where + (" (changed itself)" if v.changes else "") for v in below[:_SHOWN])
        more = f" and {len(below) - _SHOWN} more" if len(below) > _SHOWN else ""
        yield ["    ", (f"consequences: {names}{more}", "dim")]


KINDS = {
    "class": "its class or version changed",
    "input": "an input changed",
    "link": "a link changed",
    "file": "a file changed",
    "environment": "the environment changed",
    "code": "perhaps code that changed without its version",
    "output": "no cause in sight",
    "failure": "it failed",
    "new": "a new node",
    "missing": "a missing node",
}


def finding_lines(finding: Finding) -> Iterator[Line]:
    """A value that differs: the measure and its limit, then got and expected side by side."""
    yield [(finding.name, "bold"), f": {finding.verdict}"]
    measures = finding.measures
    if "worst" not in measures:
        yield [f"  got {finding.got}, expected {finding.expected}"]
        return
    place = ",".join(str(index) for index in measures["worst"])
    yield [f"  got {number(measures['got'])}, expected {number(measures['expected'])} at [{place}] of {finding.got}"]
    facts = [f"max abs {number(measures['max_abs'])}", f"relative {number(measures['rms_rel'])} (rms)"]
    facts += [f"PSNR {number(measures['psnr'])} dB"] if "psnr" in measures else []
    facts += [f"SSIM {measures['ssim']:.4f}"] if "ssim" in measures else []
    facts.append(f"{measures['differing']} of {measures['total']} values")
    if "box" in measures:
        left, top, right, bottom = measures["box"]
        facts.append(f"columns {left}-{right}, rows {top}-{bottom}")
    yield ["  " + ", ".join(facts)]


def ending(verdicts: Sequence[Verdict], seconds: float) -> Iterator[Line]:
    """The last lines: tolerances that could be tighter, how many passed and failed."""
    for text in unneeded(verdicts):
        yield [("tolerance: ", "cyan"), text]
    styles = {DIFFERENT: ("failed", "bold red"), BROKEN: ("broken", "bold red"), SKIPPED: ("skipped", "yellow")}
    styles[PASSED] = ("passed", "green")
    counts = [(sum(v.status == state for v in verdicts), *shown) for state, shown in styles.items()]
    parts: list[str | tuple[str, str]] = []
    for count, word, style in counts:
        if count:
            parts += [", "] if parts else []
            parts.append((f"{count} {word}", style))
    yield [*parts, f" in {seconds_text(seconds)}"]
