"""`weft cache why`: what is in a node's key, and what differs from the last time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weft.engine.links import Link
from weft.engine.terminal.answer import answering
from weft.engine.terminal.itinerary import told
from weft.engine.terminal.options import (
    CacheOption,
    DeviceOption,
    DtypeOption,
    InputOption,
    JsonOption,
    ModelsOption,
    OutputOption,
    SeedOption,
    SetOption,
    UiOption,
    WorkflowArgument,
)
from weft.engine.terminal.streams import Line

if TYPE_CHECKING:
    from weft.engine.planning.accounts import Account
    from weft.engine.planning.plan import Plan


def why(
    context: typer.Context,
    workflow: WorkflowArgument,
    node: Annotated[str, typer.Argument(metavar="NODE", help="A node of it, by id, title or class_type.")],
    changes: SetOption = None,
    seed: SeedOption = None,
    models: ModelsOption = None,
    input: InputOption = None,
    output: OutputOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    cache: CacheOption = None,
    ui: UiOption = False,
    as_json: JsonOption = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Say what a node is computed from, all that its key is about, and what differs from the last time.

    What comes from other nodes is followed to the first one that really differs.
    """
    with answering(context.obj, as_json=as_json) as answer:
        from weft.engine.session import Session
        from weft.engine.terminal.caches import folders_of, looked_into

        places: dict[str, Any] = {"models": models or None, "input": input, "output": output}
        session = Session(**places, device=device, dtype=dtype, **settings, warn=answer.notice)
        with looked_into(folders_of(session.settings, cache), session.packs, warn=answer.notice) as session.cache:
            prompt = session.read(workflow, changes, ui=ui, seed=seed)
            (node_id,) = session.resolve_targets(prompt, [node])
            plan = session.plan(prompt, [node_id], values=False)
            accounts = session.accounts(plan, node_id)
        if as_json:
            answer.document({"status": "explained", "nodes": [each.to_json() for each in accounts]})
            return
        for each in accounts:
            for line in _lines(each, plan):
                answer.out.line(*line)


def _lines(account: Account, plan: Plan) -> Iterator[Line]:
    now = account.recipe
    reason = [(f": {account.reason}", "yellow")] if account.reason else []
    yield [(f"node {account.node_id}", "cyan"), " ", (account.title, "bold"), f": {account.action}", *reason]
    yield [f"  class {now.class_type}, version {now.version}"]
    yield [f"  key {now.key.hex()}"]
    for name, value in now.inputs.items():
        if type(value) is Link:
            source = f'node {value.node_id} "{plan.nodes[value.node_id].title}", slot {value.slot}'
            yield [f"  input {name} from {source}, key {now.links[name].hex()[:12]}"]
        else:
            yield [f"  input {told(name, value)}"]
    for name, digest in now.files.items():
        yield [f"  file {name} {digest.hex()[:12]}"]
    for name, fact in now.facts.items():
        yield [f"  computed by {told(name, fact)}"]
    if account.differs is None:
        yield ["nothing is known of an earlier time that it was computed"]
    elif not account.differs:
        yield ["nothing differs from the last time that it was computed"]
    else:
        yield ["since the last time that it was computed:"]
        for text in account.differs:
            yield ["  ", (text, "yellow")]
