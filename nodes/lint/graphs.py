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
        made = {str(output.io_type) for output in node.schema.outputs}
        changed = [io_type for io_type in _STEERS if io_type in made and any(node.links(io_type))]
        feeding = [found[0] for io_type in changed for name in node.links(io_type) if (found := node.source(name))]
        used = any(node is taken for other in view.nodes.values() for taken in _links(other))
        if changed and not used and any(each.runs for each in feeding):
            yield Remark(
                node, f"changes a {changed[0]}, and nothing takes it", None, "link what it gives, or remove it"
            )


def _links(node: LintNode) -> Iterator[LintNode]:
    return (found[0] for name in node.given if (found := node.source(name)) is not None)


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


RULES = (change_not_taken, sampled_twice, path_of_one_machine)
