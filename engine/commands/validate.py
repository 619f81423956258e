"""`weft validate`: what keeps workflows from running."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from weft.engine.terminal.answer import answering
from weft.engine.terminal.groups import one_command
from weft.engine.terminal.options import (
    BypassOption,
    FilesArgument,
    JsonOption,
    MuteOption,
    ObjectInfoOption,
    OnlyOption,
    SetOption,
    SkipOthersOption,
    TargetOption,
    UiOption,
    taking_settings,
)

app = one_command()


@app.command(
    epilog="Examples:\n\nweft validate portrait.json --set KSampler.steps=0 --models ~/models\n\n"
    "weft validate workflows/ --json | jq -r '.files[] | select(.issues) | .file'\n\n"
    "git ls-files '*.json' | xargs weft validate --skip-others"
)
@taking_settings("validate", "models", "input", before="targets", switches_before="ui")
def validate(
    context: typer.Context,
    files: FilesArgument,
    changes: SetOption = None,
    targets: TargetOption = None,
    only: OnlyOption = None,
    bypass: BypassOption = None,
    mute: MuteOption = None,
    ui: UiOption = False,
    object_info: ObjectInfoOption = None,
    skip_others: SkipOthersOption = False,
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Say everything that keeps workflows from running, without running them, as file:line:column: what is wrong.

    Exit code 3 for an invalid workflow, 4 where nothing but files is missing; of several workflows the worst.
    """
    with answering(context.obj, as_json=as_json) as answer:
        from weft.engine.arguments import targets_of
        from weft.engine.session import Session
        from weft.engine.terminal.validating import Validator

        session = Session(object_info=object_info, **settings, warn=answer.notice)
        part: dict[str, Any] = {"only": only or (), "bypass": bypass or (), "mute": mute or ()}
        wanted = targets_of(targets, only)
        validator = Validator(session, changes or (), part, wanted, answer, executable=object_info is None)
        validator.tell(files, ui=ui, skip_others=skip_others)
