from __future__ import annotations

import errno
from pathlib import Path

import pytest

from weft.engine import errors
from weft.engine.errors import Interrupted, InvalidWorkflow, Issue, NodeError, WeftError


@pytest.mark.parametrize(
    ("name", "choices", "found"),
    [
        ("ksampler", ["KSampler", "VAEDecode"], "KSampler"),
        ("KSampeler", ["VAEDecode", "KSampler"], "KSampler"),
        ("sd15.safetensor", ["sd15.safetensors"], "sd15.safetensors"),
        ("xyz", ["KSampler"], None),
        ("a", [], None),
        ("", ["KSampler"], None),
        ("X", ["x", "X"], "x"),
    ],
)
def test_nearest(name: str, choices: list[str], found: str | None) -> None:
    assert errors.nearest(name, choices) == found
    assert errors.did_you_mean(name, choices) == (f"did you mean {found!r}?" if found else "")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tiny_vae", "vae/tiny_vae.safetensors"),
        ("tiny_vae.ckpt", "vae/tiny_vae.safetensors"),
        ("Tiny_VAE.safetensors", "vae/tiny_vae.safetensors"),
        ("models\\checkpoints\\v1.5.safetensors", "v1.5.safetensors"),
        ("v1.5", "v1.5.safetensors"),
        ("v1-5", "v1.5.safetensors"),
        ("tiny_vea", "vae/tiny_vae.safetensors"),
        ("qwerty", None),
        ("", None),
    ],
)
def test_a_file_is_meant_without_its_folder_and_suffix(name: str, found: str | None) -> None:
    files = ["other/v1.5.ckpt", "v1.5.safetensors", "vae/tiny_vae.safetensors"]
    files = files[1:] if found and found.startswith("v1") else files
    assert errors.file_meant(name, files) == (f"did you mean {found!r}?" if found else "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("WeftError", 1),
        ("DefinitionError", 1),
        ("UsageError", 2),
        ("UnreadableWorkflow", 2),
        ("OutsideFolder", 3),
        ("MissingFile", 4),
        ("Interrupted", 130),
    ],
)
def test_exit_codes(error: str, code: int) -> None:
    made = getattr(errors, error)("what", hint="help")
    assert made.exit_code == code
    assert str(made) == "what (help)"
    assert made.to_json() == {"error": error, "message": "what", "hint": "help"}


def test_without_hint() -> None:
    assert str(WeftError("what")) == "what"
    assert WeftError("what").to_json() == {"error": "WeftError", "message": "what"}
    assert str(Interrupted()) == "interrupted"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "M"),
        ({"node_id": "5"}, "node 5: M"),
        ({"node_id": "5", "class_type": "C"}, 'node 5 "C": M'),
        ({"node_id": "5", "class_type": "C", "title": "T"}, 'node 5 "T": M'),
        ({"node_id": "5", "input": "x", "details": "D", "hint": "H"}, "node 5, input 'x': M: D (H)"),
        ({"input": "x"}, "input 'x': M"),
    ],
)
def test_issue_reads(fields: dict[str, str], text: str) -> None:
    assert str(Issue("code", "M", **fields)) == text  # type: ignore[arg-type]


def test_issue_as_json_leaves_out_what_is_empty() -> None:
    assert Issue("code", "M").to_json() == {"type": "code", "message": "M"}
    full = Issue("code", "M", "5", "C", "T", "x", "D", "H", "/5/inputs/x", {"received_value": 0})
    assert full.to_json() == {
        "type": "code",
        "message": "M",
        "details": "D",
        "node_id": "5",
        "class_type": "C",
        "title": "T",
        "input": "x",
        "hint": "H",
        "pointer": "/5/inputs/x",
        "extra_info": {"received_value": 0},
    }


@pytest.mark.parametrize(("missing", "code"), [([True, True], 4), ([True, False], 3), ([False], 3)])
def test_only_missing_files_have_their_own_code(missing: list[bool], code: int) -> None:
    error = InvalidWorkflow([Issue("c", "M", missing_file=flag) for flag in missing])
    assert error.exit_code == code


def test_invalid_workflow_says_everything() -> None:
    error = InvalidWorkflow([Issue("c", "first"), Issue("c", "second")])
    assert str(error) == "invalid workflow: 2 problems\n  first\n  second"
    assert [issue["message"] for issue in error.to_json()["issues"]] == ["first", "second"]
    assert str(InvalidWorkflow([Issue("c", "only")])).startswith("invalid workflow: 1 problem\n")


def test_node_failed() -> None:
    error = NodeError(
        "boom", node_id="5", class_type="C", title="T", inputs={"x": "1"}, author_traceback="tb", hint="help"
    )
    error.__cause__ = KeyError("x")
    assert str(error) == 'node 5 "T" failed: boom (help)'
    assert error.to_json() == {
        "error": "NodeFailed",
        "message": "boom",
        "hint": "help",
        "node_id": "5",
        "class_type": "C",
        "title": "T",
        "exception_type": "KeyError",
        "current_inputs": {"x": "1"},
        "traceback": "tb",
    }


class Said(ValueError):
    plain = True


def test_plain_is_what_says_so_itself() -> None:
    assert errors.is_plain(WeftError("x"))
    assert errors.is_plain(Said("x"))
    assert not errors.is_plain(ValueError("x"))
    assert not errors.is_plain(None)
    # The name of the module says nothing: a pack may be called `nodes`, too.
    theirs = type("Theirs", (ValueError,), {"__module__": "nodes.mine"})
    assert not errors.is_plain(theirs("x"))


class OutOfMemoryError(RuntimeError):
    """As torch's is called."""


TORCH = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 51539607552 bytes. Error code 12"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/out/x.png"), "No space left on device: /out/x.png"),
        (OSError(errno.EFBIG, "File too large"), "File too large"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "Permission denied: /x"),
        (OSError("broken data stream"), "broken data stream"),
        (OSError(), "OSError"),
        (MemoryError(), "not enough memory"),
        (MemoryError("Unable to allocate 48.0 GiB for an array"), "not enough memory: 48.0 GiB were asked for at once"),
        (
            RuntimeError(f"[enforce fail at alloc_cpu.cpp:117] err == 0. {TORCH}"),
            "not enough memory: 51.5 GB were asked for at once",
        ),
        (
            OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has"),
            "not enough memory: 20.00 GiB were asked for at once",
        ),
        (OutOfMemoryError("Allocation on device"), "not enough memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"), "not enough memory"),
        (RuntimeError("std::bad_alloc"), "not enough memory"),
        (RuntimeError("shapes (2, 3) and (4, 5) cannot be multiplied"), ""),
        (ValueError("CUDA out of memory"), ""),
        (KeyError("x"), ""),
    ],
)
def test_what_the_machine_does_is_no_bug(error: Exception, message: str) -> None:
    assert errors.of_machine(error) == message
    assert errors.is_plain(error) is bool(message)


def test_looked_in() -> None:
    assert errors.looked_in([Path("a"), Path("b")]) == "looked in a, b"
    assert errors.looked_in([]) == "no folder is set for it"


def test_why_a_pack_did_not_load_is_said_once() -> None:
    why = "pack 'mine' did not load: mine.py, line 1: SyntaxError: invalid syntax"
    issues = [
        Issue("missing_node_type", f"unknown node class {name!r}", node_id=name, hint=why) for name in ("A", "B", "C")
    ]
    error = InvalidWorkflow(issues)
    assert str(error).count(why) == 1
    assert str(error).splitlines()[-1] == "  node C: unknown node class 'C'"
    assert [issue["hint"] for issue in error.to_json()["issues"]] == [why] * 3
