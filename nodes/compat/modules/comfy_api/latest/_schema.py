"""What a V3 class says of itself (Schema), what it is told beside its inputs (Hidden), what it returns (NodeOutput)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from weft.nodes.compat.modules.comfy_api.latest._declared import Input, Output


class Hidden(StrEnum):
    """What the engine gives a node that asks for it; read as `cls.hidden.unique_id`."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"
    dynprompt = "DYNPROMPT"
    auth_token_comfy_org = "AUTH_TOKEN_COMFY_ORG"
    api_key_comfy_org = "API_KEY_COMFY_ORG"


class HiddenHolder:
    """The hidden values of one call; None is what was not asked for."""

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        given = values or {}
        for name in Hidden.__members__:
            setattr(self, name, given.get(name))

    def __getattr__(self, name: str) -> Any:
        """None for any other name."""
        if name.startswith("__"):
            raise AttributeError(name)
        return None


_WITH_OUTPUT = (Hidden.prompt, Hidden.extra_pnginfo)
_WITH_API = (Hidden.auth_token_comfy_org, Hidden.api_key_comfy_org)


@dataclass
class Schema:
    """All that is said of a V3 class; `node_id` is its class_type."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    description: str = ""
    search_aliases: list[str] = field(default_factory=list)
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_dev_only: bool = False
    is_api_node: bool = False
    not_idempotent: bool = False
    enable_expand: bool = False
    accept_all_inputs: bool = False
    has_intermediate_output: bool = False
    essentials_category: str | None = None
    main_category: str | None = None
    price_badge: Any = None

    def finalize(self) -> None:
        """Add the hidden values that its flags bring; None in place of a list is an empty one."""
        self.inputs = list(self.inputs or [])
        self.outputs = list(self.outputs or [])
        asked = [Hidden(each) for each in self.hidden or []]
        brought = (*(_WITH_OUTPUT if self.is_output_node else ()), *(_WITH_API if self.is_api_node else ()))
        self.hidden = list(dict.fromkeys((*asked, *brought)))

    def validate(self) -> None:
        """Raise ValueError for two inputs or two outputs of one name."""
        for what, ids in (
            ("inputs", [each.id for each in self.inputs]),
            ("outputs", [each.id for each in self.outputs if each.id is not None]),
        ):
            twice = next((each for index, each in enumerate(ids) if each in ids[:index]), None)
            if twice is not None:
                raise ValueError(f"{self.node_id}: two {what} are named {twice!r}")
        for each in self.inputs:
            each.validate()


class NodeOutput:
    """What `execute` returns: the values of the outputs in order, what the browser shows, a graph to expand into.

    `block_execution` is a message: it stands in place of all outputs, and what takes one is not called.
    """

    def __init__(
        self,
        *args: Any,
        ui: Any = None,
        expand: Mapping[str, Any] | None = None,
        block_execution: str | None = None,
    ) -> None:
        self.args = args
        self.ui = ui
        self.expand = expand
        self.block_execution = block_execution

    @property
    def result(self) -> tuple[Any, ...] | None:
        """The values of the outputs; None where there are none."""
        return self.args or None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NodeOutput:
        """What a node of V1 returned: `{"result":, "ui":, "expand":}`."""
        result = data.get("result")
        blocked = getattr(result, "message", None) if not isinstance(result, Sequence) else None
        values = result if isinstance(result, list | tuple) else () if result is None or blocked else (result,)
        return cls(*values, ui=data.get("ui"), expand=data.get("expand"), block_execution=blocked)

    def __getitem__(self, index: int) -> Any:
        return self.args[index]


class NodeReplace:
    """Which class stands for one that is gone, and how its inputs carry over."""

    def __init__(
        self,
        new_node_id: str,
        old_node_id: str,
        old_widget_ids: list[str] | None = None,
        input_mapping: list[dict[str, Any]] | None = None,
        output_mapping: list[dict[str, Any]] | None = None,
    ) -> None:
        self.new_node_id = new_node_id
        self.old_node_id = old_node_id
        self.old_widget_ids = old_widget_ids
        self.input_mapping = input_mapping
        self.output_mapping = output_mapping

    def as_dict(self) -> dict[str, Any]:
        """Its form in JSON."""
        return dict(vars(self))


@dataclass
class PriceBadgeDepends:
    """Of which widgets and inputs a price depends."""

    widgets: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    input_groups: list[str] = field(default_factory=list)


@dataclass
class PriceBadge:
    """What a node of a paid service says of its price; nothing here shows it."""

    expr: str
    depends_on: PriceBadgeDepends = field(default_factory=PriceBadgeDepends)
    engine: str = "jsonata"


class EmptyUI:
    """A ui that shows nothing."""

    def as_dict(self) -> dict[str, Any]:
        """The form of `ui`."""
        return {}
