"""Looks at what clients post to be run: a job, or what is wrong with it in ComfyUI's words.

As in ComfyUI, a prompt runs where one of its outputs can: what is wrong with the others is told, and these are left
out.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weft.engine.documents import is_deeper
from weft.engine.envelopes import is_workflow
from weft.engine.errors import InvalidWorkflow, Issue, UnreadableWorkflow, WeftError
from weft.engine.serving.job import Job, without_secrets
from weft.engine.serving.paths import named_outside
from weft.engine.session import Session
from weft.engine.workflow.graph import PromptGraph
from weft.engine.workflow.prompt import MAX_DEPTH, Prompt, unwrapped
from weft.engine.workflow.validation import output_nodes

_CONVERTED = ("INT", "FLOAT", "STRING", "BOOLEAN")
"""Types whose constants stand in the queue and the history as they were read."""

_PLAIN = (str, int, float, bool, dict)

_EVERYWHERE = 3 * MAX_DEPTH
_MOST_COMMAS = 500_000
"""Between values: what is wrong with each of millions would be more than memory holds."""


class ServedPrompt(Prompt):
    """The part of a prompt that is run; `whole` is all that the client sent, which nodes and files are told."""

    whole: dict[str, Any]


@dataclass(frozen=True)
class Refusal(Exception):
    """Why a prompt is not run, as ComfyUI answers it."""

    kind: str
    message: str
    details: str = ""
    node_errors: Mapping[str, Any] = field(default_factory=dict)
    extra_info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """The answer."""
        error = {
            "type": self.kind,
            "message": self.message,
            "details": self.details,
            "extra_info": dict(self.extra_info),
        }
        return {"error": error, "node_errors": dict(self.node_errors)}


def read(body: bytes) -> dict[str, Any]:
    """What a client posted, a JSON object. Raises Refusal."""
    if body.count(b",") > _MOST_COMMAS:
        raise Refusal("invalid_json", f"The body has more than {_MOST_COMMAS} values")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal("invalid_json", "The body is no JSON", str(error)) from error
    if not isinstance(document, dict):
        raise Refusal("invalid_json", "The body is no JSON object")
    if is_deeper(document, _EVERYWHERE):
        raise Refusal("invalid_json", f"The body is nested more than {_EVERYWHERE} levels deep")
    return document


def accept(session: Session, document: Mapping[str, Any], number: float) -> tuple[Job, dict[str, Any]]:
    """The job that a client asks for, and what is wrong with outputs that it leaves out, by node. Raises Refusal."""
    if document.get("prompt") is None:
        raise Refusal("no_prompt", "No prompt provided", "No prompt provided")
    given = document["prompt"]
    extra = _extra_data(document)
    prompt_id = _prompt_id(document)
    prompt = _parsed(session, given)
    wanted = _wanted(session, prompt, document.get("partial_execution_targets"))
    whole = _converted(session, prompt, wanted)
    node_errors: dict[str, Any] = {}
    # Before any check of a class's own looks at what they name.
    if outside := list(named_outside(whole, session.registry, session.folders)):
        wanted = _left(whole, wanted, outside, node_errors)
    served = _served(whole, wanted, session, whole.to_json(), extra)
    lowered, issues = session.prepared(served)
    if issues:
        wanted = _left(whole, wanted, issues, node_errors)
        served = _served(whole, wanted, session, whole.to_json(), extra)
        lowered, issues = session.prepared(served)
        if issues:
            raise Refusal("prompt_outputs_failed_validation", "Prompt outputs failed validation", str(issues[0]))
    return Job(number, prompt_id, whole.to_json(), extra, wanted, lowered), node_errors


def converted(session: Session, document: dict[str, Any]) -> dict[str, Any]:
    """The document, with its prompt in API format where it is, or has, the editor's save. Raises Refusal."""
    if is_workflow(document):
        document = {"prompt": document}
    given = document.get("prompt", document.get("workflow"))
    if not isinstance(given, dict) or not is_workflow(given):
        return document
    try:
        prompt = session.read(given)
    except InvalidWorkflow as error:
        raise Refusal("invalid_prompt", "The workflow cannot be run", str(error)) from error
    except WeftError as error:
        raise Refusal("invalid_prompt", "The workflow cannot be read", str(error)) from error
    extra = document.get("extra_data")
    extra = dict(extra) if isinstance(extra, dict) else {}
    extra.setdefault("extra_pnginfo", {"workflow": given})
    return {**document, "prompt": prompt.to_json(), "extra_data": extra}


def part_of(job: Job) -> ServedPrompt:
    """The part of a job's prompt that is run, read again: after a restart."""
    prompt = Prompt.parse(job.prompt)
    needed = PromptGraph(prompt).needed(each for each in job.outputs if each in prompt.nodes)
    return _as_served(prompt.reduced(needed), dict(job.prompt), job.extra_data)


def number_of(document: Mapping[str, Any], next_number: Callable[[], int]) -> float:
    """The number under which a prompt waits: the client's, or the next one, negative to go before all others."""
    said = document.get("number")
    if isinstance(said, int | float) and not isinstance(said, bool) and math.isfinite(said):
        return float(said) if isinstance(said, float) else said
    return -next_number() if document.get("front") else next_number()


def _prompt_id(document: Mapping[str, Any]) -> str:
    """The id that the client gives its prompt, else a new one. Raises Refusal."""
    found = document.get("prompt_id")
    if found is None:
        return str(uuid.uuid4())
    try:
        str(found).encode()
    except UnicodeEncodeError as error:
        raise Refusal("invalid_prompt", "The prompt_id is no text", str(error)) from error
    return str(found)


def _extra_data(document: Mapping[str, Any]) -> dict[str, Any]:
    found = document.get("extra_data")
    extra: dict[str, Any] = without_secrets(found) if isinstance(found, dict) else {}
    if isinstance(document.get("client_id"), str):
        extra["client_id"] = document["client_id"]
    return extra


def _parsed(session: Session, given: Any) -> Prompt:
    """The prompt, of nodes whose classes are known. Raises Refusal."""
    if not isinstance(given, dict):
        raise Refusal("invalid_prompt", "The prompt is no object of nodes")
    for node_id, node in given.items():
        details = f"Node ID '#{node_id}'"
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
            raise Refusal(
                "invalid_prompt", "Cannot execute because a node is missing the class_type property.", details
            )
        if session.registry.find(node["class_type"]) is None:
            why, hint = session.registry.unknown(node["class_type"])
            message = f"Cannot execute because node {node['class_type']} does not exist."
            raise Refusal("invalid_prompt", message, details, extra_info={"hint": hint or why})
    if not given:
        raise Refusal("prompt_no_outputs", "Prompt has no outputs")
    try:
        return Prompt.parse(given)
    except UnreadableWorkflow as error:
        raise Refusal("invalid_prompt", "The prompt cannot be read", str(error)) from error


def _wanted(session: Session, prompt: Prompt, targets: Any) -> list[str]:
    """The output nodes that are to run. Raises Refusal for none."""
    outputs = output_nodes(prompt, session.registry)
    if isinstance(targets, list):
        outputs = [each for each in outputs if each in targets]
    if not outputs:
        raise Refusal("prompt_no_outputs", "Prompt has no outputs")
    return outputs


def _converted(session: Session, prompt: Prompt, wanted: Sequence[str]) -> Prompt:
    """The prompt with the constants as its classes read them, of nodes that the outputs need."""
    values: dict[tuple[str, str], Any] = {}
    for node_id in PromptGraph(prompt).needed(wanted):
        node = prompt.nodes[node_id]
        found = session.registry.find(node.class_type)
        declared = found.schema.given(node.inputs) if found is not None else {}
        for name, value in node.inputs.items():
            spec = declared.get(name)
            if spec is None or spec.socket.io_type not in _CONVERTED or type(value) not in _PLAIN:
                continue
            try:
                read = spec.socket.coerce(unwrapped(value))
            except (ValueError, TypeError, OverflowError):
                continue
            if type(read) is not type(value) or read != value:
                values[node_id, name] = read
    return prompt.with_values(values) if values else prompt


def _served(
    prompt: Prompt, wanted: Sequence[str], session: Session, whole: dict[str, Any], extra: Mapping[str, Any]
) -> ServedPrompt:
    """The prompt as it is run: all of it, or the part that the wanted outputs need."""
    if len(wanted) < len(output_nodes(prompt, session.registry)):
        prompt = prompt.reduced(PromptGraph(prompt).needed(wanted))
    return _as_served(prompt, whole, extra)


def _as_served(prompt: Prompt, whole: dict[str, Any], extra: Mapping[str, Any]) -> ServedPrompt:
    info = extra.get("extra_pnginfo")
    served = ServedPrompt(prompt.nodes, extra_pnginfo=info if isinstance(info, dict) else {})
    served.whole, served.notes = whole, prompt.notes
    return served


def _left(prompt: Prompt, wanted: Sequence[str], issues: Sequence[Issue], node_errors: dict[str, Any]) -> list[str]:
    """The outputs that nothing is wrong with; what is wrong joins `node_errors`. Raises Refusal for none."""
    found, sound = _judged(prompt, wanted, issues)
    node_errors.update(found)
    if not sound:
        own = [each for output in wanted if output in node_errors for each in node_errors[output]["errors"]]
        details = "\n".join(f"{each['message']}: {each['details']}" for each in own)
        raise Refusal("prompt_outputs_failed_validation", "Prompt outputs failed validation", details, node_errors)
    return sound


def _judged(prompt: Prompt, wanted: Sequence[str], issues: Sequence[Issue]) -> tuple[dict[str, Any], list[str]]:
    """What is wrong, by node, as ComfyUI tells it; and the outputs that nothing is wrong with."""
    takers: dict[str, list[str]] = {}
    for taker, parents in PromptGraph(prompt).parents.items():
        for parent in parents:
            takers.setdefault(parent, []).append(taker)
    errors: dict[str, Any] = {}
    lost: set[str] = set()
    for issue in issues:
        node_id = issue.node_id
        if node_id is None or node_id not in prompt.nodes:
            return errors, []
        if node_id not in errors:
            reached = _reached(node_id, takers)
            dependent = [output for output in wanted if output in reached]
            lost.update(dependent)
            class_type = prompt.nodes[node_id].class_type
            errors[node_id] = {"errors": [], "dependent_outputs": dependent, "class_type": class_type}
        errors[node_id]["errors"].extend(told(issue))
    return errors, [output for output in wanted if output not in lost]


def _reached(node_id: str, takers: Mapping[str, Sequence[str]]) -> set[str]:
    found, stack = {node_id}, [node_id]
    while stack:
        new = [each for each in takers.get(stack.pop(), ()) if each not in found]
        found.update(new)
        stack.extend(new)
    return found


def told(issue: Issue) -> Iterator[dict[str, Any]]:
    """An issue as ComfyUI tells it: several times, where a class's own check looked at several inputs."""
    extra = dict(issue.extra)
    looked = extra.pop("looked_at", None)
    if issue.code == "custom_validation_failed" and looked:
        for name in looked:
            details = f"{name} - {issue.details}" if issue.details else name
            yield _error(issue, details, {"input_name": name})
        return
    config = extra.get("input_config")
    if isinstance(config, list) and len(config) == 1:
        extra["input_config"] = [*config, {}]
    if issue.hint:
        extra["hint"] = issue.hint
    yield _error(issue, issue.details, extra)


def _error(issue: Issue, details: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": issue.code, "message": issue.message, "details": details, "extra_info": dict(extra)}
