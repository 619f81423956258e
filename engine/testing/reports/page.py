"""One self-contained page: for each workflow the graph, where it first differs, pictures to compare, environments."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from weft.engine.drawing.stylesheet import AUTO, stylesheet
from weft.engine.terminal.words import seconds_text
from weft.engine.testing.instrument import Instrument
from weft.engine.testing.records import Birth
from weft.engine.testing.reports.graph import graph
from weft.engine.testing.reports.terminal import KINDS, finding_lines, text_of
from weft.engine.testing.verdicts import (
    BAD,
    BROKEN,
    DIFFERENT,
    DIVERGED,
    HELD,
    PASSED,
    RAN,
    SAME,
    SKIPPED,
    WITHIN,
    Finding,
    NodeVerdict,
    Verdict,
    number,
    unneeded,
)

_DRAWN = ("IMAGE", "MASK", "LATENT")
_PER_NODE = 4
_ORDER = (BROKEN, DIFFERENT, SKIPPED, PASSED)


def page(
    verdicts: Sequence[Verdict], seconds: float, instrument: Instrument, *, title: str = "Weft test report"
) -> str:
    """The page as HTML, what did not pass first: no file beside it, no address in it."""
    verdicts = sorted(verdicts, key=lambda verdict: _ORDER.index(verdict.status))
    failed = sum(verdict.is_bad for verdict in verdicts)
    links = "".join(
        f'<li><span class="badge {v.status}">{v.status}</span> <a href="#w{place}">{escape(v.shown)}</a> '
        f'<span class="dim">{escape(_headline(v))}</span></li>'
        for place, v in enumerate(verdicts)
    )
    body = "\n".join(_section(place, verdict, instrument) for place, verdict in enumerate(verdicts))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>
{_asset("page.css")}{stylesheet(AUTO)}
</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p class="dim">{failed} of {len(verdicts)} workflows did not pass, in {seconds_text(seconds)}</p>
{"".join(f'<p class="dim">{escape(text)}</p>' for text in unneeded(verdicts))}
<nav><ul>{links}</ul></nav>
{body}
<script>
{_asset("page.js")}</script>
</body>
</html>
"""


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _headline(verdict: Verdict) -> str:
    if verdict.error or verdict.skipped:
        return verdict.error or verdict.skipped
    first = verdict.first
    if first is not None:
        return f"{first.node.where}: {first.cause}"
    broken = [f"assertion {asserted.text}: {asserted.why}" for asserted in verdict.assertions if not asserted.holds]
    return broken[0] if broken else f"{len(verdict.comparison.nodes)} nodes"


def _section(place: int, verdict: Verdict, instrument: Instrument) -> str:
    parts = [
        f'<section id="w{place}"><h2><span class="badge {verdict.status}">{verdict.status}</span> '
        f"{escape(verdict.shown)}</h2>"
    ]
    if verdict.description:
        parts.append(f'<p class="told">{escape(verdict.description)}</p>')
    if verdict.error:
        return "".join([*parts, f'<p class="cause">{escape(verdict.error)}</p></section>'])
    if verdict.skipped:
        return "".join([*parts, f'<p class="dim">not run: {escape(verdict.skipped)}</p></section>'])
    found = verdict.comparison
    if verdict.before is not None:
        why = f"tolerance class <b>{found.tolerance}</b>: {escape(found.why)}"
        parts.append(f'<p class="dim">{why}; {seconds_text(verdict.seconds)}</p>')
    for number_, divergence in enumerate(found.divergences):
        head = "Another difference begins" if number_ else "The first difference is"
        seen = f" It is seen at {escape(divergence.seen_at.where)}." if divergence.seen_at is not None else ""
        parts.append(
            f'<p class="cause">{head} at <b>{escape(divergence.node.where)}</b> '
            f"({escape(divergence.node.class_type)}). {escape(KINDS[divergence.kind]).capitalize()}: "
            f"<b>{escape(divergence.cause)}</b>.{seen}</p>"
        )
    parts += [
        f'<p class="cause">Assertion <b>{escape(asserted.text)}</b> does not hold: {escape(asserted.why)}</p>'
        for asserted in verdict.assertions
        if not asserted.holds
    ]
    parts.append(_graph(place, verdict))
    parts += _pictures(verdict, instrument)
    parts.append(_written(verdict, instrument))
    parts.append(_assertions(verdict))
    parts += [f'<p class="dim">{escape(text)}</p>' for text in found.notes]
    parts.append(_node_table(place, found.nodes, is_open=verdict.is_bad))
    parts.append(_environments(verdict.before, verdict.now))
    return "\n".join([*filter(None, parts), "</section>"])


def _graph(place: int, verdict: Verdict) -> str:
    found = verdict.comparison
    begins = {divergence.node.node_id for divergence in found.divergences}
    return graph(place, found.nodes, verdict.records, begins) if found.nodes else ""


# Pictures


def _pictures(verdict: Verdict, instrument: Instrument) -> Iterator[str]:
    """Before, after and difference of what differs."""
    for node in verdict.comparison.nodes:
        shown = [finding for finding in node.findings if _has_picture(finding)][:_PER_NODE]
        for finding in shown:
            yield _compared(node, finding, instrument)


def _has_picture(finding: Finding) -> bool:
    if finding.tensors is None or finding.io_type not in _DRAWN or finding.state not in (DIVERGED, WITHIN):
        return False
    got, expected = finding.tensors
    return len(got.shape) in (3, 4) and len(expected.shape) in (3, 4)


def _compared(node: NodeVerdict, finding: Finding, instrument: Instrument) -> str:
    assert finding.tensors is not None
    got, expected = finding.tensors
    images = [_image(instrument.png(expected)), _image(instrument.png(got))]
    heading = f"<h3>{escape(node.where)}, {escape(finding.name)}</h3><p>{escape(finding.verdict)}</p>"
    figures = [
        f'<figure><div class="slider"><img src="{images[0]}" alt="expected"><img class="over" src="{images[1]}" '
        'alt="got"><div class="bar"></div><span class="left">expected</span><span class="right">got</span>'
        '<input type="range" min="0" max="100" value="50" aria-label="expected to got"></div>'
        "<figcaption>expected on the left, got on the right: drag</figcaption></figure>"
    ]
    if tuple(got.shape) == tuple(expected.shape):
        heat = _image(instrument.heat_map(got, expected))
        most = number(finding.measures["max_abs"]) if "max_abs" in finding.measures else "the most"
        caption = f"difference: black is none, white is {most}"
        figures.append(f'<figure><img src="{heat}" alt="difference"><figcaption>{caption}</figcaption></figure>')
    told = [text_of(line) for line in finding_lines(finding)][1:]
    facts = "".join(f"<p>{escape(line.strip())}</p>" for line in told)
    figures.append(f'<div class="dim">{facts}</div>')
    return f'{heading}<div class="pair">{"".join(figures)}</div>'


def _written(verdict: Verdict, instrument: Instrument) -> str:
    """The pictures that were written and are as expected, or have nothing to be compared with."""
    figures = []
    for node in verdict.comparison.nodes:
        if node.state not in (SAME, RAN) or node.node_id not in verdict.records:
            continue
        found = [
            leaf.digest
            for value in verdict.records[node.node_id].values
            for leaf in value.leaves.values()
            if value.name.startswith("file ") and value.type == "IMAGE" and leaf.kind == "tensor"
        ]
        figures += [
            f'<figure><img src="{_image(instrument.png(verdict.tensors[digest]))}" alt="written">'
            f"<figcaption>{escape(node.where)}{': as expected' if node.state == SAME else ''}</figcaption></figure>"
            for digest in found[:_PER_NODE]
            if digest in verdict.tensors
        ]
    return f'<div class="row">{"".join(figures)}</div>' if figures else ""


def _image(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


# Tables


def _assertions(verdict: Verdict) -> str:
    rows = "".join(
        f'<tr><td class="{"good" if asserted.holds else "bad"}">{"holds" if asserted.holds else "fails"}</td>'
        f'<td class="mono">{escape(asserted.text)}</td><td>{escape(asserted.got)}</td></tr>'
        for asserted in verdict.assertions
    )
    head = "<tr><th></th><th>assertion</th><th>got</th></tr>"
    held = all(asserted.holds for asserted in verdict.assertions)
    return _folded("Assertions", head + rows, is_open=not held) if rows else ""


def _folded(summary: str, rows: str, *, is_open: bool) -> str:
    """A table under a line that opens it."""
    opened = " open" if is_open else ""
    return f'<details{opened}><summary>{summary}</summary><div class="wide"><table>{rows}</table></div></details>'


def _node_table(place: int, nodes: Sequence[NodeVerdict], *, is_open: bool) -> str:
    rows = []
    for node in nodes:
        what = [change.text for change in node.changes]
        what += [f"{finding.name}: {finding.verdict}" for finding in node.findings]
        what += [node.message] if node.message else []
        style = "bad" if node.state in BAD else "good" if node.state in (SAME, WITHIN, HELD) else "dim"
        time = f"{node.seconds:.2f} s" if node.seconds is not None else ""
        rows.append(
            f'<tr id="w{place}-{escape(node.node_id)}"><td>{escape(node.node_id)}</td><td>{escape(node.title)}</td>'
            f'<td class="{style}">{node.state}</td><td>{"<br>".join(map(escape, what))}</td>'
            f'<td class="time">{time}</td></tr>'
        )
    head = "<tr><th>node</th><th>title</th><th></th><th>what was measured</th><th>time</th></tr>"
    return _folded("Every node", head + "".join(rows), is_open=is_open)


def _environments(before: Birth | None, now: Birth | None) -> str:
    if now is None:
        return ""
    left, right = _flat(before) if before is not None else {}, _flat(now)
    rows = "".join(
        f'<tr class="{"differs" if before is not None and left.get(name) != right.get(name) else ""}">'
        f"<td>{escape(name)}</td><td>{escape(left.get(name, ''))}</td><td>{escape(right.get(name, ''))}</td></tr>"
        for name in dict.fromkeys([*left, *right])
    )
    head = "<tr><th></th><th>recorded</th><th>checked</th></tr>"
    return _folded("Environments", head + rows, is_open=False)


def _flat(birth: Birth) -> dict[str, str]:
    flat: dict[str, Any] = birth.model_dump()
    nested = {name: flat.pop(name) for name in ("packages", "models", "packs")}
    found = {name: str(value) for name, value in flat.items()}
    for kind, values in nested.items():
        found |= {f"{kind}: {name}": value if kind == "packages" else value[:16] for name, value in values.items()}
    return found
