"""Rules about model patches that do not fit the model that they stand on: told by the headers of both files."""

from __future__ import annotations

from collections.abc import Iterator

from weft.engine.linting.rules import Remark, Severity, rule
from weft.engine.linting.view import LintNode, LintView
from weft.nodes.diffusion.families.glance import PatchGlance
from weft.nodes.lint.headers import is_own, is_sure, model_of, patch_of


@rule("M112", "patch-of-another-model", Severity.ERROR, "A model patch is for another family's model.", refuses=True)
def patch_of_another_model(view: LintView) -> Iterator[Remark]:
    """It steps into the blocks of one network. Some read a mask, too, and cannot do without; others cannot read one."""
    for node in view.running():
        patch = patch_of(view, node)
        if patch is None:
            continue
        model = model_of(view, node)
        refused = is_own(node) and is_sure(node, "MODEL_PATCH")
        if model is not None and model.family != patch.family:
            message = f"its model patch is {patch.title}, for {patch.family}, and the model is {model.title}"
            fix = f"a model patch for {model.title}"
            yield Remark(node, message, "model_patch", fix, refused=refused and is_sure(node, "MODEL"))
        elif wrong := _mask(node, patch):
            yield Remark(node, f"its model patch is {patch.title} {wrong}", "mask", refused=refused)


def _mask(node: LintNode, patch: PatchGlance) -> str:
    """What is wrong with its mask; empty where nothing is."""
    declared = node.schema is not None and "mask" in node.schema.by_name
    given = node.source("mask") is not None
    if not declared or patch.masks is None or given == patch.masks:
        return ""
    return "that reads no mask: expected none" if given else "that reads a mask: connect that of what to paint"


RULES = (patch_of_another_model,)
