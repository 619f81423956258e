from __future__ import annotations

import math
from typing import Any

import pytest

from weft.engine.schema.sockets import Boolean, Combo, Files, Float, Int, Socket, String, fits, socket_from, type_name


class AnyType(str):
    """How packs say "anything"."""

    def __ne__(self, other: object) -> bool:
        return False


@pytest.mark.parametrize(
    ("received", "wanted", "fit"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "MASK", False),
        ("*", "IMAGE", True),
        ("IMAGE", "*", True),
        ("FLOAT", "IMAGE,FLOAT", True),
        ("IMAGE, FLOAT", "FLOAT", True),
        ("A,B", "C,D", False),
        ("A,B", "B,C", True),
        ("IMAGE", "IMAGES", False),
        (("a", "b"), ("a", "b"), True),
        (("a", "b"), ("a", "c"), False),
        (("a", "b"), "COMBO", True),
        ("COMBO", ("a", "b"), True),
        (("a", "b"), "STRING", False),
        ("STRING", ("a", "b"), False),
        (AnyType("ANY"), "IMAGE", True),
        ("IMAGE", AnyType("ANY"), True),
    ],
)
def test_fits(received: Any, wanted: Any, fit: bool) -> None:
    assert fits(received, wanted) is fit


@pytest.mark.parametrize(
    ("socket", "given", "value"),
    [
        (Int(), 3, 3),
        (Int(), "3", 3),
        (Int(), 3.9, 3),
        (Int(), True, 1),
        (Float(), 3, 3.0),
        (Float(), "1e3", 1000.0),
        (String(), 3, "3"),
        (String(), None, "None"),
        (Boolean(), "", False),
        (Boolean(), "false", True),
        (Boolean(), 0, False),
        (Combo(["a"]), "b", "b"),
        (Socket("IMAGE"), "x", "x"),
    ],
)
def test_coerce_as_python_does(socket: Socket, given: Any, value: Any) -> None:
    coerced = socket.coerce(given)
    assert coerced == value
    assert type(coerced) is type(value)


@pytest.mark.parametrize(
    ("socket", "given", "error"),
    [
        (Int(), "abc", ValueError),
        (Int(), "1.5", ValueError),
        (Int(), None, TypeError),
        (Int(), math.inf, OverflowError),
        (Int(), math.nan, ValueError),
        (Int(), "9" * 5000, ValueError),
        (Float(), "x", ValueError),
        (Float(), [], TypeError),
        (Float(), 10**400, OverflowError),
    ],
)
def test_coerce_refuses(socket: Socket, given: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        socket.coerce(given)


TWENTY = [f"c{number}" for number in range(20)]


@pytest.mark.parametrize(
    ("socket", "value", "problem"),
    [
        (Int(min=0, max=100), 0, None),
        (Int(min=0, max=100), 100, None),
        (Int(min=0, max=100), -1, ("value_smaller_than_min", "Value -1 smaller than min of 0", "x")),
        (Int(min=0, max=100), 101, ("value_bigger_than_max", "Value 101 bigger than max of 100", "x")),
        (Float(min=0.5), 0.25, ("value_smaller_than_min", "Value 0.25 smaller than min of 0.5", "x")),
        (Float(), 1e300, None),
        (Int(min="0", max=None), -1, None),
        (Combo(["a", "b"]), "a", None),
        (Combo(["x", "y"]), "z", ("value_not_in_list", "Value not in list", "x: 'z' not in ['x', 'y']")),
        (Combo([1, 2]), 3, ("value_not_in_list", "Value not in list", "x: '3' not in [1, 2]")),
        (Combo(TWENTY), "z", ("value_not_in_list", "Value not in list", f"x: 'z' not in {TWENTY}")),
        (Combo([*TWENTY, "c"]), "z", ("value_not_in_list", "Value not in list", "x: 'z' not in (list of length 21)")),
        (Combo([]), "z", ("value_not_in_list", "Value not in list", "x: 'z' not in []")),
        (Combo(None), "z", None),
        (Combo(["a"]), {"no": "text"}, ("value_not_in_list", "Value not in list", "x: '{'no': 'text'}' not in ['a']")),
        (String(), "", None),
        (Socket("IMAGE"), object(), None),
    ],
)
def test_problems(socket: Socket, value: Any, problem: tuple[str, str, str] | None) -> None:
    assert list(socket.problems("x", value)) == ([problem] if problem else [])


def test_equality_leaves_tooltips_out_and_nothing_else() -> None:
    assert Int(min=0, tooltip="a") == Int(min=0, tooltip="b") == Int(min=0)
    assert Int(min=0) != Int(min=1)
    assert Int(min=0) != Float(min=0)
    assert Int() != Socket("INT")
    assert Combo(["a"]) != Combo(["b"])
    assert Files("loras") != Files("vae")
    assert Files("loras") != Combo(None)
    assert Int() != "INT"
    assert len({Int(), Int(tooltip="t"), Float()}) == 2


@pytest.mark.parametrize(
    ("socket", "spelled"),
    [
        (Socket("MODEL"), ["MODEL"]),
        (Int(default=1, min=0), ["INT", {"default": 1, "min": 0}]),
        (Combo(["a", "b"]), [["a", "b"]]),
        (Combo(["a"], tooltip="t"), [["a"], {"tooltip": "t"}]),
        (Combo(None), ["COMBO"]),
        (Files("vae", extra_choices=["none"]), [["none"]]),
        (Files("input", image_upload=True), [[], {"image_upload": True}]),
    ],
)
def test_as_object_info(socket: Socket, spelled: list[Any]) -> None:
    assert socket.to_object_info() == spelled


@pytest.mark.parametrize(
    ("io_type", "options", "socket"),
    [
        ("INT", {"min": 0}, Int(min=0)),
        ("FLOAT", {}, Float()),
        ("STRING", {"multiline": True}, String(multiline=True)),
        ("BOOLEAN", {}, Boolean()),
        ("MODEL", {}, Socket("MODEL")),
        ("IMAGE,MASK", {}, Socket("IMAGE,MASK")),
        (["a", "b"], {"default": "a"}, Combo(("a", "b"), default="a")),
        ("COMBO", {"options": ["a", "b"], "default": "a"}, Combo(("a", "b"), default="a")),
        ("COMBO", {}, Combo(None)),
    ],
)
def test_socket_from(io_type: Any, options: dict[str, Any], socket: Socket) -> None:
    assert socket_from(io_type, options) == socket
    assert type(socket_from(io_type, options)) is type(socket)


@pytest.mark.parametrize("io_type", ["MODEL", "INT", ("a", "b")])
def test_options_may_be_called_like_parameters(io_type: Any) -> None:
    options = {"io_type": 1, "choices": 2, "self": 3, "name": 4}
    assert socket_from(io_type, options).options == options


def test_names() -> None:
    assert type_name(("a",)) == "COMBO"
    assert type_name("IMAGE") == "IMAGE"
    assert repr(Int(min=0)) == "Int('INT', min=0)"
