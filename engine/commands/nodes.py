"""`weft nodes`: the node classes, found by words, category and type, and described."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.collector import collector_paused
from weft.engine.errors import UsageError
from weft.engine.terminal import completing
from weft.engine.terminal.answer import Answer, answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import InputOption, ModelsOption, ObjectInfoOption, taking_settings

if TYPE_CHECKING:
    from weft.engine.describing.catalogue import Catalogue
    from weft.engine.schema.node import NodeSchema
    from weft.engine.schema.registry import Registry
    from weft.engine.terminal.classes import KnownClasses

EPILOG = (
    "Examples:\n\n"
    "weft nodes lora\n\n"
    "weft nodes KSampler\n\n"
    "weft nodes --gives MASK --category mask\n\n"
    "weft nodes LoraLoader --markdown\n\n"
    "weft nodes --markdown -o pages --custom-nodes ~/ComfyUI/custom_nodes\n\n"
    "weft nodes --json > object_info.json\n\n"
    "weft nodes --custom-nodes ~/ComfyUI/custom_nodes --packs"
)
MOST_LISTED = 40
"""The most classes that a search shows on a terminal: the best come first, and should not scroll away."""


app = one_command()


@app.command(epilog=EPILOG)
@taking_settings("nodes", before="object_info", switches_before="packs")
def nodes(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]",
            autocompletion=completing.classes,
            help="A class, by its name or title; or words to search for.",
        ),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(
            "--category", metavar="NAME", help="Only classes below this category: sampling, conditioning/inpaint."
        ),
    ] = None,
    accepts: Annotated[
        str | None, typer.Option("--accepts", metavar="TYPE", help="Only classes with an input for this type: LATENT.")
    ] = None,
    gives: Annotated[
        str | None, typer.Option("--gives", metavar="TYPE", help="Only classes with an output of this type.")
    ] = None,
    models: ModelsOption = None,
    input: InputOption = None,
    object_info: ObjectInfoOption = None,
    packs: Annotated[
        bool,
        typer.Option(
            "--packs",
            help="List the custom node packs instead: which loaded, and why others did not (exit code 1 then).",
        ),
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write Markdown: a page of one class, a list of several.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            file_okay=False,
            help="With --markdown: write a page a class, and an index.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write ComfyUI's object_info form to stdout, the best found first.")
    ] = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """List the node classes, or describe one: inputs, outputs, what is commonly linked to them, and an example.

    A name that no class has is searched for, in class names, titles, categories, descriptions and inputs; the best
    come first. Files that are there are choices of the described class.
    """
    with answering(context.obj, as_json=as_json) as answer, collector_paused():
        from weft.engine.terminal.catalogue import packs_table
        from weft.engine.terminal.classes import known_classes

        text = " ".join(words or ())
        chosen = text or category or accepts or gives
        if packs and chosen:
            raise UsageError(f"--packs lists packs, and {chosen!r} is about classes", hint="leave one of them out")
        if folder is not None and not markdown:
            raise UsageError("--output is the folder of pages of Markdown", hint="add --markdown")
        known = known_classes(
            settings,
            models=models,
            input=input,
            object_info=object_info,
            warn=answer.notice,
            # What --packs shows is no warning beside it.
            warn_of_packs=(lambda message: None) if packs else answer.notice,
        )
        if packs:
            if as_json:
                answer.document({"packs": [pack.to_json() for pack in known.packs]})
            else:
                for line in packs_table(known.packs):
                    answer.out.line(*line)
            if any(pack.error for pack in known.packs):
                raise SystemExit(1)
            return
        found, catalogue = _chosen(known.registry, text, category, accepts, gives, answer)
        if markdown:
            _markdown(answer, found, catalogue, folder)
        elif as_json:
            from weft.engine.describing.entries import object_info as entry

            answer.document({one.class_type: entry(one, known.folders) for one in found})
        else:
            _show(answer, found, catalogue, known, named=bool(text), searched=bool(chosen))


def _chosen(
    registry: Registry, text: str, category: str | None, accepts: str | None, gives: str | None, answer: Answer
) -> tuple[list[NodeSchema], Catalogue]:
    """The classes that all of it is true of, the best first, and all classes."""
    from weft.engine.describing.catalogue import Catalogue
    from weft.engine.terminal.catalogue import find

    catalogue = Catalogue(registry.schemas(answer.notice), registry.packs.common)
    found = find(registry, catalogue, text) if text else catalogue.schemas
    asked = [
        (category, catalogue.in_category),
        (accepts, catalogue.accepting),
        (gives, catalogue.giving),
    ]
    for wanted, choose in asked:
        if wanted is not None:
            allowed = {one.class_type for one in choose(wanted)}
            found = [one for one in found if one.class_type in allowed]
    if not found:
        raise UsageError("no node class is all of that", hint="leave a part of it out")
    return found, catalogue


def _show(
    answer: Answer, found: list[NodeSchema], catalogue: Catalogue, known: KnownClasses, *, named: bool, searched: bool
) -> None:
    """A page of one class that was asked for by its name, a table of several."""
    from weft.engine.terminal.catalogue import page, table

    only = known.registry.find(found[0].class_type) if named and len(found) == 1 else None
    if only is not None:
        for line in page(only, known.folders, catalogue):
            answer.out.line(*line)
        return
    terminal = answer.out.is_terminal
    if not named:
        found = sorted(found, key=lambda one: (one.category, one.class_type))
    shown = found[:MOST_LISTED] if named and terminal else found
    for line in table(shown, grouped=terminal and not named):
        answer.out.line(*line)
    if len(shown) < len(found):
        answer.err.line(f"and {len(found) - len(shown)} more: another word narrows it down, | cat shows all")


def _markdown(answer: Answer, found: list[NodeSchema], catalogue: Catalogue, folder: Path | None) -> None:
    from weft.engine.describing.pages import INDEX, file_name, index, page
    from weft.engine.wholefiles import write_whole

    if folder is None:
        only = found[0] if len(found) == 1 else None
        answer.out.write(page(only, catalogue) if only is not None else index(found, "weft nodes --markdown"))
        return
    written = {file_name(one.class_type): page(one, catalogue) for one in found}
    written[INDEX] = index(found, "weft nodes --markdown -o DIR")
    for name, text in written.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / name, text.encode())
        except OSError as error:
            raise UsageError(f"cannot write {folder / name}: {error.strerror}") from error
    answer.out.line(f"{folder}: {len(written) - 1} page{'s' if len(written) != 2 else ''} and {INDEX}")
