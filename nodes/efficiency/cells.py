"""The cells of an XY plot: each is a sampling of its own, whose sub-graphs share whatever is equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from weft.engine.links import Link
from weft.engine.schema.expansion import GraphBuilder
from weft.nodes.efficiency.axes.kind import Cell
from weft.nodes.efficiency.axes.table import KINDS
from weft.nodes.efficiency.errors import BadScript
from weft.nodes.efficiency.labels import labels_of, shortened
from weft.nodes.efficiency.loading import (
    BAKED_VAE,
    Loaded,
    add_checkpoint,
    add_prompts,
    add_refiner,
    add_refiner_prompts,
)
from weft.nodes.efficiency.sampling import Refiner, Sampling, add_sampling
from weft.nodes.efficiency.values import XY, Dependencies, XYPlot


@dataclass(frozen=True)
class Encoders:
    """The text encoders that a plot encodes with where it loads none: the base's, and SDXL's refiner's."""

    clip: Link | None
    refiner_clip: Link | None = None


def add_plot(graph: GraphBuilder, sampling: Sampling, plot: XYPlot, encoders: Encoders) -> tuple[Link, Link, Link]:
    """Sample every cell of a plot: (latents, images, the plot), cells row by row, X fastest.

    `sampling` is what the sampler does without the plot. The cells run in the order that switches models least.
    """
    x, y = plot.x, plot.y
    x_labels, y_labels = labels_of(x, sampling.seed), labels_of(y, sampling.seed)
    first = graph.add("LatentFromBatch", samples=sampling.latent, batch_index=0, length=1)[0]
    # A plot is made of pictures, whatever the sampler was told.
    decode = "true" if sampling.decode == "false" else sampling.decode
    sampling = replace(sampling, latent=first, decode=decode)
    memo = _Memo(graph)
    cells: dict[str, Any] = {}
    for number, (column, row) in enumerate(_order(x, y), 1):
        labels = ", ".join(map(shortened, [*x_labels[column : column + 1], *y_labels[row : row + 1]]))
        where = f"cell {number} of {len(x.values) * len(y.values)} ({labels})"
        cell = _cell(replace(sampling, where=where), plot, x.values[column], y.values[row])
        result = add_sampling(graph, _made(memo, cell, encoders))
        assert result.image is not None
        place = row * len(x.values) + column
        cells |= {f"latent_{place}": result.latent, f"image_{place}": result.image}
    names: dict[str, Any] = {"x_labels": x_labels, "y_labels": y_labels}
    collected = graph.add("weft.CollectCells", title="collect the cells", **names, **cells)
    drawn = graph.add(
        "weft.DrawPlot",
        title="draw the plot",
        images=collected[1],
        **names,
        spacing=plot.spacing,
        vertical_labels=plot.label_orientation == "Vertical",
    )
    return collected[0], collected[1], drawn[0]


def _order(x: XY, y: XY) -> Iterator[tuple[int, int]]:
    """(column, row) of every cell, in the order in which they are made: what costs most to switch varies slowest."""
    if KINDS[x.kind].cost > KINDS[y.kind].cost:
        yield from ((column, row) for column in range(len(x.values)) for row in range(len(y.values)))
    else:
        yield from ((column, row) for row in range(len(y.values)) for column in range(len(x.values)))


def _cell(sampling: Sampling, plot: XYPlot, x: Any, y: Any) -> Cell:
    """The settings of the cell where the axes have these values; Y is applied to what X has made of them."""
    given = plot.dependencies
    cell = Cell(sampling, given)
    if given is not None:
        cell.loras, cell.control_nets = given.loras, given.control_nets
        cell.checkpoint = (given.ckpt_name, given.clip_skip, None)
        cell.refiner = (given.refiner_name, given.refiner_clip_skip, None)
        cell.positive, cell.negative = given.positive, given.negative
        cell.ascore = given.ascore or (0.0, 0.0)
    x_kind, y_kind = KINDS[plot.x.kind], KINDS[plot.y.kind]
    if x_kind.share is not None and y_kind.share is not None and x_kind.share.of == y_kind.share.of:
        x_kind.change(cell, y_kind.share.merged(x, y))
    else:
        # What costs most is the first: what it brings with it (a checkpoint its clip skip), the other axis may replace.
        for kind, value in sorted(((x_kind, x), (y_kind, y)), key=lambda axis: -axis[0].cost):
            kind.change(cell, value)
    if cell.refine_at is not None:
        cell.changed["refine"] = int(cell.refine_at * cell.changed.get("steps", sampling.steps))
    return cell


class _Memo:
    """Adds a sub-graph once for the same arguments: what cells share is one node, not equal ones."""

    def __init__(self, graph: GraphBuilder) -> None:
        self._graph = graph
        self._made: dict[Any, Any] = {}

    def __call__(self, add: Callable[..., Any], *arguments: Any) -> Any:
        key = (add, *arguments)
        if key not in self._made:
            self._made[key] = add(self._graph, *arguments)
        return self._made[key]


def _made(memo: _Memo, cell: Cell, encoders: Encoders) -> Sampling:
    """The cell's sampling, with what its axes changed loaded and encoded anew."""
    sampling, given = cell.sampling, cell.given
    changed: dict[str, Any] = dict(cell.changed)
    clip = encoders.clip
    name, clip_skip, checkpoint_vae = cell.checkpoint
    if "model" in cell.stale:
        vae_name = checkpoint_vae or (given.vae_name if given is not None else BAKED_VAE)
        loaded: Loaded = memo(add_checkpoint, name, vae_name, clip_skip, cell.loras)
        changed["model"], clip = loaded.model, loaded.clip
        if "vae" in cell.stale:
            changed["vae"] = loaded.vae
    elif given is not None and clip is None and "prompts" in cell.stale:
        # Eff. Loader SDXL gives no CLIP out, and the sampler has no tuple but its parts: loaded as the loader did.
        clip = memo(add_checkpoint, given.ckpt_name, given.vae_name, clip_skip, given.loras).clip
    elif "clip skip" in cell.stale:
        clip = memo(_skipped, clip, clip_skip)
    if cell.vae_name is not None:
        changed["vae"] = memo(_vae_of, cell.vae_name, name)
    if given is not None and "prompts" in cell.stale:
        how = (given.token_normalization, given.weight_interpretation)
        prompts = memo(add_prompts, clip, cell.positive, cell.negative, *how, cell.control_nets)
        changed["positive"], changed["negative"] = prompts
    if given is not None and (refiner := _made_refiner(memo, cell, given, encoders)) is not None:
        changed["refiner"] = refiner
    return replace(sampling, **changed)


def _made_refiner(memo: _Memo, cell: Cell, given: Dependencies, encoders: Encoders) -> Refiner | None:
    """The refiner with what the axes changed; None where it stays as it is, or is not there."""
    before = cell.sampling.refiner
    name, clip_skip, _ = cell.refiner
    if "refiner model" in cell.stale:
        model, clip = memo(add_refiner, name, given.clip_skip if clip_skip is None else clip_skip)
    elif before is not None and "refiner prompts" in cell.stale:
        model, clip = before.model, encoders.refiner_clip
        if "refiner clip skip" in cell.stale:
            clip = memo(_skipped, clip, clip_skip)
    else:
        return None
    how = (given.token_normalization, given.weight_interpretation)
    size = (given.width, given.height)
    return Refiner(model, *memo(add_refiner_prompts, clip, cell.positive, cell.negative, *how, cell.ascore, *size))


def _skipped(graph: GraphBuilder, clip: Link, clip_skip: int) -> Link:
    return graph.add("CLIPSetLastLayer", clip=clip, stop_at_clip_layer=clip_skip)[0]


def _vae_of(graph: GraphBuilder, vae_name: str, checkpoint: str | None) -> Link:
    if vae_name != BAKED_VAE:
        return graph.add("VAELoader", vae_name=vae_name)[0]
    if checkpoint is None:
        hint = "connect the loader's DEPENDENCIES to the XY Plot"
        raise BadScript("the VAE axis has Baked VAE, and no checkpoint is known", hint=hint)
    return graph.add("CheckpointLoaderSimple", ckpt_name=checkpoint)[2]
