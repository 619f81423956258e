"""`weft explain`: why two pictures differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from weft.engine.terminal.answer import answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import (
    JsonOption,
    taking_settings,
)

app = one_command()


@app.command(
    epilog="Exit codes: 0 the pictures are the same, 1 they differ, 2 usage or a file that cannot be read, "
    "3 a workflow that is broken.\n\n"
    "Example: weft explain yesterday.png today.png"
)
@taking_settings("explain", before="as_json")
def explain(
    context: typer.Context,
    one: Annotated[Path, typer.Argument(metavar="A", help="A picture that carries its workflow, or a workflow file.")],
    other: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Say why two pictures differ: workflows, seeds, models, sampling mode and version, from what the files carry."""
    with answering(context.obj, as_json=as_json) as answer:
        from weft.engine.session import Session
        from weft.engine.testing import explaining
        from weft.engine.testing.instrument import find_instrument
        from weft.engine.testing.reports import explanation

        registry = Session(**settings, warn=answer.notice).registry
        found = explaining.explain(one, other, registry, lambda: find_instrument(answer.notice))
        for note in (*found.before.damage, *found.now.damage):
            answer.warn(str(note))
        if as_json:
            answer.document(found.to_json())
        else:
            for line in explanation.lines(found):
                answer.out.line(*line)
        if found.differs:
            raise SystemExit(1)
