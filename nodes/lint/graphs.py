"""Rules about the graph and what is typed into it: what nothing takes, what is there twice, what is here alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from weft.engine.linting.rules import Remark, Severity, rule
from weft.engine.linting.view import LintNode, LintView
from weft.nodes.lint.stages import stages

_STEERS = ("MODEL", "CLIP", "CONDITIONING")


@rule("G101", "change-not-taken", Severity.INFO, "A change of a model or a prompt that nothing takes.")
def change_not_taken(view: LintView) -> Iterator[Remark]:
    """A LoRA, a patch or a ControlNet beside the way to the sampler does nothing."""
    for node in view.nodes.values():
        if node.runs or node.schema is None:
            continue
        changed = _changed(node)
        if changed and any(each.runs for each in _sources(node)) and not _taken(view, node):
            yield Remark(
                node, f"changes a {changed[0]}, and nothing takes it", None, "link what it gives, or remove it"
            )


def _sources(node: LintNode) -> Iterator[LintNode]:
    return (found[0] for name in node.given if (found := node.source(name)) is not None)


def _taken(view: LintView, node: LintNode) -> bool:
    """Whether any node takes what a node gives, one that runs or not."""
    if "taken" not in node.known:
        for each in view.nodes.values():
            each.known.setdefault("taken", False)
            for source in _sources(each):
                source.known["taken"] = True
    return bool(node.known["taken"])


@rule("G104", "feeds-nothing", Severity.INFO, "A node does work that nothing takes.")
def feeds_nothing(view: LintView) -> Iterator[Remark]:
    """It has inputs linked, makes something of them, and shows it to nobody. Loaders and values kept spare do not."""
    for node in view.nodes.values():
        if node.runs or node.schema is None or node.schema.output_node or not node.schema.outputs:
            continue
        fed = any(each.runs for each in _sources(node))
        if fed and not _taken(view, node) and not _changed(node):
            yield Remark(node, "nothing takes what it gives: it does not run", None, "link what it gives, or remove it")


def _changed(node: LintNode) -> list[str]:
    """The types among MODEL, CLIP and CONDITIONING that a node takes and gives."""
    made = {str(output.io_type) for output in node.schema.outputs} if node.schema is not None else set()
    return [io_type for io_type in _STEERS if io_type in made and any(node.links(io_type))]


@rule("G102", "sampled-twice", Severity.WARNING, "Two samplers have the same inputs: they draw the same picture.")
def sampled_twice(view: LintView) -> Iterator[Remark]:
    """One of them was meant to be another: its seed, its prompt, its model."""
    seen: dict[str, LintNode] = {}
    for stage in stages(view):
        node = stage.node
        key = repr((node.class_type, sorted((name, repr(value)) for name, value in node.given.items())))
        first = seen.setdefault(key, node)
        if first is not node:
            message = f'has the inputs of node {first.node_id} "{first.title}": it draws the same'
            yield Remark(node, message, None, "another seed, or take what that one gives")


_HERE = re.compile(r"(?:[A-Za-z]:[\\/](?![\\/])|/(?:home|Users|mnt|media|root|tmp|workspace|content|Volumes)/)\S")


@rule("G103", "path-of-one-machine", Severity.INFO, "An input holds a path that other machines do not have.")
def path_of_one_machine(view: LintView) -> Iterator[Remark]:
    """Whoever is given the workflow has no such folder. Files below the folders of the run go by their names."""
    for node in view.running():
        for name in node.given:
            value = node.values.get(name)
            if node.typed(name) and isinstance(value, str) and "\n" not in value and _HERE.match(value):
                shown = value if len(value) <= 60 else value[:57] + "..."
                yield Remark(node, f"{shown!r} is a path of this machine", name, "a name below a folder of the run")


RULES = (change_not_taken, sampled_twice, path_of_one_machine, feeds_nothing)
