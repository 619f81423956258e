"""JUnit XML, as CI systems read it: a suite a workflow, a case a node; consequences of a failure are skipped cases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from weft.engine.testing.reports.terminal import divergence_lines, text_of
from weft.engine.testing.verdicts import Divergence, NodeVerdict, Verdict


def junit(verdicts: Sequence[Verdict]) -> bytes:
    """The document."""
    root = ElementTree.Element("testsuites", name="weft")
    for verdict in verdicts:
        _suite(root, verdict)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{sum(verdict.seconds for verdict in verdicts):.3f}")
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _suite(root: ElementTree.Element, verdict: Verdict) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=_clean(verdict.name), time=f"{verdict.seconds:.3f}")
    begins = {divergence.node.node_id: divergence for divergence in verdict.comparison.divergences}
    about = {name: said for name in ("title", "description") if (said := getattr(verdict, name))}
    if about:
        properties = ElementTree.SubElement(suite, "properties")
        for name, said in about.items():
            ElementTree.SubElement(properties, "property", name=name, value=_clean(said))
    for tag, said in (("error", verdict.error), ("skipped", verdict.skipped)):
        if said:
            ElementTree.SubElement(_case(suite, verdict, verdict.subject, 0.0), tag, message=_clean(said))
    for node in verdict.told:
        case = _case(suite, verdict, f"{node.node_id} {node.title}", node.seconds or 0.0)
        _fill(case, verdict, node, begins.get(node.node_id))
    seconds = {node.node_id: node.seconds or 0.0 for node in verdict.comparison.nodes}
    for asserted in verdict.assertions:
        case = _case(suite, verdict, asserted.text, seconds.get(asserted.node_id, 0.0))
        if not asserted.holds:
            ElementTree.SubElement(case, "failure", message=_clean(asserted.why), type="assertion")
    cases = suite.findall("testcase")
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("tests", str(len(cases)))


def _case(suite: ElementTree.Element, verdict: Verdict, name: str, seconds: float) -> ElementTree.Element:
    place = _clean(verdict.name).replace("/", ".")
    return ElementTree.SubElement(suite, "testcase", classname=place, name=_clean(name), time=f"{seconds:.3f}")


def _fill(case: ElementTree.Element, verdict: Verdict, node: NodeVerdict, begins: Divergence | None) -> None:
    if begins is not None:
        told = "\n".join(text_of(line) for line in divergence_lines(verdict, begins, first=True))
        failure = ElementTree.SubElement(case, "failure", message=_clean(begins.cause), type=begins.kind)
        failure.text = _clean(told)
    elif node.consequence:
        above = ", ".join(
            divergence.node.where
            for divergence in verdict.comparison.divergences
            if node.node_id in divergence.consequences
        )
        ElementTree.SubElement(case, "skipped", message=_clean(f"a consequence of {above}"))


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 does not know."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
