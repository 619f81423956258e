"""Rules about latents that are not sampled, or for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from weft.engine.linting.rules import Remark, Severity, rule
from weft.engine.linting.view import LintNode, LintView
from weft.nodes.lint.stages import CHANGED, PASSED, LatentOrigin, is_decoder, is_empty, passage, stage_of, stages


@rule("L101", "empty-decoded", Severity.ERROR, "An empty latent is decoded.")
def empty_decoded(view: LintView) -> Iterator[Remark]:
    """No sampler has drawn anything: the picture is one colour."""
    for node in view.running():
        if not is_decoder(node) or stage_of(node) is not None:  # a sampler that decodes has drawn before
            continue
        for name in node.links("LATENT"):
            found = node.source(name)
            while found is not None and (way := PASSED.get(found[0].class_type) or CHANGED.get(found[0].class_type)):
                found = found[0].source(way)
            if found is not None and is_empty(*found):
                source = found[0]
                message = f'decodes the empty latent of node {source.node_id} "{source.title}"'
                yield Remark(node, message, name, "the latent of a sampler")


@rule("L102", "picture-forgotten", Severity.INFO, "A picture is encoded, and then covered by noise entirely.")
def picture_forgotten(view: LintView) -> Iterator[Remark]:
    """But for its size nothing of it is left. Where a mask protects a part, or the prompt carries it, that is meant."""
    for stage in stages(view):
        way = passage(stage)
        if (
            way.origin is not LatentOrigin.PICTURE
            or way.masked
            or stage.start != 0
            or not stage.adds_noise
            or stage.is_empty
        ):
            continue
        if way.source is None or _reads_pictures(stage.node, way.source):
            continue
        name = "denoise" if stage.kind == "plain" else "start_at_step" if stage.kind == "advanced" else None
        less = "a denoise below 1" if name == "denoise" else "a later start"
        source = f'node {way.source.node_id} "{way.source.title}"'
        yield Remark(stage.node, f"begins with pure noise: of the picture from {source} nothing is left", name, less)


def _reads_pictures(node: LintNode, encoder: LintNode) -> bool:
    """Whether pictures reach a sampler by another way than its latent, or may, by a node of an unknown class."""
    ways = [found for name in node.given if name != "latent_image" and (found := node.source(name)) is not None]
    every = {each.node_id: each for source, _ in ways for each in (source, *source.above())}
    return any(
        each.schema is None or any(True for io_type in ("IMAGE", "LATENT") for _ in each.links(io_type))
        for each in every.values()
        if each.node_id != encoder.node_id
    )


RULES = (empty_decoded, picture_forgotten)
