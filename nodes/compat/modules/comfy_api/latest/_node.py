"""ComfyNode: a class of V3, which the engine sees as one of V1.

What V1 has as attributes (INPUT_TYPES, RETURN_TYPES, ...) is computed from the schema; FUNCTION is EXECUTE_NORMALIZED,
which calls `execute` on a class of its own for each call, so that `cls.hidden` is that call's.

Invariants:
- A class whose node does not override a method (validate_inputs, fingerprint_inputs, check_lazy_status) has not the
  attribute of V1 that stands for it either: the engine asks by hasattr.
- The class of a call takes no attributes: state on it would be lost without a word.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABCMeta
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from weft.engine.values import ExecutionBlocker
from weft.nodes.compat.modules.comfy_api.latest._declared import declared_types
from weft.nodes.compat.modules.comfy_api.latest._dynamic import MatchType, nested
from weft.nodes.compat.modules.comfy_api.latest._schema import Hidden, HiddenHolder, NodeOutput, Schema


class _Sealing(ABCMeta):
    """The class of V3 classes: one that is made for a call takes no attributes."""

    def __setattr__(cls, name: str, value: Any) -> None:
        if "_weft_sealed" in vars(cls):
            raise AttributeError(f"a node keeps nothing on its class: {cls.__name__}.{name} cannot be set in a call")
        super().__setattr__(name, value)


class _Computed:
    """An attribute of V1 that is computed from the class; it has none where `compute` says so, or has no schema."""

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self.compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, instance: object, owner: Any) -> Any:
        try:
            return self.compute(owner)
        except NotImplementedError as error:  # a base of others
            raise AttributeError(str(error)) from error


class AnyInputs(dict[str, Any]):
    """A section of INPUT_TYPES of a class that accepts all inputs: it has whatever name is asked for."""

    def __contains__(self, name: object) -> bool:
        return True


class _Lazily:
    """check_lazy_status: as its author wrote it for the class of a call, else as the engine asks it."""

    def __init__(self, written: Any) -> None:
        self.written = written

    def __get__(self, instance: object, owner: Any) -> Any:
        method = self.written.__get__(instance, owner)
        return method if _is_of_a_call(owner) else _adapted(owner, "check_lazy_status", method, told=True)


class ComfyNode(metaclass=_Sealing):
    """The base of V3 classes: `define_schema` and `execute` are to be written, the other methods may be.

    They are validate_inputs (True, or what is wrong), fingerprint_inputs (what tells these inputs from others) and
    check_lazy_status (the names of lazy inputs that are needed).
    """

    hidden: Any = HiddenHolder()
    """The hidden values of the call; all None outside of one."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        written = vars(cls).get("check_lazy_status")
        if written is not None:
            cls.check_lazy_status = _Lazily(written)

    @classmethod
    def define_schema(cls) -> Schema:
        """The class's schema."""
        raise NotImplementedError(f"{cls.__name__} has no define_schema")

    @classmethod
    def execute(cls, **kwargs: Any) -> Any:
        """What the node computes; it may be a coroutine function."""
        raise NotImplementedError(f"{cls.__name__} has no execute")

    # What follows is the engine's.

    @classmethod
    def FINALIZE_SCHEMA(cls) -> Schema:
        """The schema as it is now, with what its flags bring. Raises ValueError, TypeError."""
        schema = cls.define_schema()
        if not isinstance(schema, Schema):
            raise TypeError(f"define_schema returned {type(schema).__name__}, expected an io.Schema")
        schema.finalize()
        schema.validate()
        return schema

    @classmethod
    def GET_SCHEMA(cls) -> Schema:
        """The schema as it was when INPUT_TYPES was last asked for."""
        origin: Any = cls.__mro__[1] if _is_of_a_call(cls) else cls
        return vars(origin).get("_weft_schema") or origin._renewed()

    @classmethod
    def _renewed(cls) -> Schema:
        cls._weft_schema = schema = cls.FINALIZE_SCHEMA()
        return schema

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The inputs as V1 declares them."""
        schema = cls._renewed()
        sections: dict[str, Any] = {**declared_types(schema.inputs)}
        if schema.accept_all_inputs:
            sections["optional"] = AnyInputs(sections.get("optional", {}))
        if schema.hidden:
            sections["hidden"] = {name: (each.value,) for name, each in _hidden(schema).items()}
        return sections

    SCHEMA = _Computed(lambda cls: cls.GET_SCHEMA())
    RETURN_TYPES = _Computed(lambda cls: tuple(output.get_io_type() for output in cls.GET_SCHEMA().outputs))
    RETURN_NAMES = _Computed(
        lambda cls: tuple(output.display_name or output.get_io_type() for output in cls.GET_SCHEMA().outputs)
    )
    OUTPUT_IS_LIST = _Computed(lambda cls: tuple(output.is_output_list for output in cls.GET_SCHEMA().outputs))
    OUTPUT_TOOLTIPS = _Computed(lambda cls: tuple(output.tooltip for output in cls.GET_SCHEMA().outputs))
    INPUT_IS_LIST = _Computed(lambda cls: cls.GET_SCHEMA().is_input_list)
    OUTPUT_NODE = _Computed(lambda cls: cls.GET_SCHEMA().is_output_node)
    CATEGORY = _Computed(lambda cls: cls.GET_SCHEMA().category)
    DESCRIPTION = _Computed(lambda cls: cls.GET_SCHEMA().description)
    DEPRECATED = _Computed(lambda cls: cls.GET_SCHEMA().is_deprecated)
    EXPERIMENTAL = _Computed(lambda cls: cls.GET_SCHEMA().is_experimental)
    API_NODE = _Computed(lambda cls: cls.GET_SCHEMA().is_api_node)
    NOT_IDEMPOTENT = _Computed(lambda cls: cls.GET_SCHEMA().not_idempotent)
    FUNCTION = _Computed(
        lambda cls: "EXECUTE_NORMALIZED_ASYNC" if inspect.iscoroutinefunction(cls.execute) else "EXECUTE_NORMALIZED"
    )
    VALIDATE_INPUTS = _Computed(lambda cls: _adapted(cls, "validate_inputs", cls.validate_inputs))
    IS_CHANGED = _Computed(lambda cls: _adapted(cls, "fingerprint_inputs", cls.fingerprint_inputs))

    @classmethod
    def EXECUTE_NORMALIZED(cls, **kwargs: Any) -> Any:
        """Call `execute` with inputs as the engine has them; what it returns is V1's."""
        called, inputs = cls._called(kwargs)
        return _returned(cls, called.execute(**inputs))

    @classmethod
    async def EXECUTE_NORMALIZED_ASYNC(cls, **kwargs: Any) -> Any:
        """The same where `execute` is a coroutine function."""
        called, inputs = cls._called(kwargs)
        return _returned(cls, await called.execute(**inputs))

    @classmethod
    def _called(cls, values: Mapping[str, Any], *, told: bool = False) -> tuple[Any, dict[str, Any]]:
        """The class of one call, and the inputs in the form in which methods receive them."""
        schema = cls.GET_SCHEMA()
        names = _hidden(schema)
        hidden = {names[name].name: value for name, value in values.items() if name in names}
        if schema.is_input_list:
            hidden = {name: value[0] if type(value) is list and value else value for name, value in hidden.items()}
        given = {name: value for name, value in values.items() if name not in names}
        return _class_of_a_call(cls, HiddenHolder(hidden)), nested(schema.inputs, given, told=told)

    @classmethod
    def GET_NODE_INFO_V1(cls) -> dict[str, Any]:
        """The class's entry in object_info."""
        schema = cls.GET_SCHEMA()
        sections = cls.INPUT_TYPES()
        if schema.hidden:
            sections["hidden"] = {each.name: (each.value,) for each in schema.hidden}
        matched = [
            output.template.template_id if isinstance(output, MatchType.Output) else None for output in schema.outputs
        ]
        return {
            "input": {name: {key: list(each) for key, each in section.items()} for name, section in sections.items()},
            "input_order": {name: list(section) for name, section in sections.items()},
            "output": list(cls.RETURN_TYPES),
            "output_is_list": list(cls.OUTPUT_IS_LIST),
            "output_name": list(cls.RETURN_NAMES),
            "output_tooltips": list(cls.OUTPUT_TOOLTIPS),
            **({"output_matchtypes": matched} if any(matched) else {}),
            "name": schema.node_id,
            "display_name": schema.display_name,
            "description": schema.description,
            "python_module": getattr(cls, "RELATIVE_PYTHON_MODULE", "nodes"),
            "category": schema.category,
            "output_node": schema.is_output_node,
            "deprecated": schema.is_deprecated,
            "experimental": schema.is_experimental,
            "api_node": schema.is_api_node,
        }


def _hidden(schema: Schema) -> dict[str, Hidden]:
    """The hidden values by the names under which the engine gives them: no input has the same."""
    taken = {each.id for each in schema.inputs}
    return {f"hidden {each.name}" if each.name in taken else each.name: each for each in schema.hidden}


def _is_of_a_call(cls: Any) -> bool:
    return "_weft_sealed" in vars(cls)


def _class_of_a_call(cls: Any, held: HiddenHolder) -> Any:
    """A class like this one, with hidden values of its own."""
    made = type(cls)(cls.__name__, (cls,), {"hidden": held, "__module__": cls.__module__})
    made._weft_sealed = True
    return made


def _adapted(cls: Any, name: str, method: Callable[..., Any], *, told: bool = False) -> Callable[..., Any]:
    """What the engine calls for a method of the class: of one signature, it takes inputs as the engine has them."""
    signature = inspect.signature(method)
    takes_all = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())

    def prepared(values: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
        called, inputs = cls._called(values, told=told)
        if not takes_all:
            inputs = {key: value for key, value in inputs.items() if key in values or key in signature.parameters}
        return getattr(called, name), inputs

    def called(**values: Any) -> Any:
        function, inputs = prepared(values)
        return function(**inputs)

    async def awaited(**values: Any) -> Any:
        function, inputs = prepared(values)
        return await function(**inputs)

    adapted: Any = awaited if inspect.iscoroutinefunction(method) else called
    functools.update_wrapper(adapted, method)
    adapted.__signature__ = signature  # what inspect reads, by whichever function
    return adapted


def _returned(cls: Any, result: Any) -> Any:
    """What a call gave, as V1 has it: a tuple, a dict with `ui` or `expand`, or what blocks all outputs.

    Raises TypeError for what is none of the forms, ValueError for a graph that was not announced.
    """
    if isinstance(result, ExecutionBlocker):
        return result
    if isinstance(result, Mapping):
        output = NodeOutput.from_dict(result)
    elif isinstance(result, tuple):
        output = NodeOutput(*result)
    elif result is None:
        output = NodeOutput()
    elif isinstance(result, NodeOutput):
        output = result
    else:
        raise TypeError(f"execute returned {type(result).__name__}, expected an io.NodeOutput")
    if output.expand is not None and not cls.GET_SCHEMA().enable_expand:
        raise ValueError("execute returned a graph to expand into: its Schema needs enable_expand=True")
    values = ExecutionBlocker(output.block_execution) if output.block_execution is not None else output.args
    ui = _plain(output.ui.as_dict() if hasattr(output.ui, "as_dict") else output.ui)
    if ui is None and output.expand is None:
        return values
    told = {"ui": ui, "expand": output.expand}
    return {"result": values, **{name: each for name, each in told.items() if each is not None}}


def _plain(value: Any) -> Any:
    """What a node shows, without types of its own: a cache keeps plain data."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, Enum) else value
