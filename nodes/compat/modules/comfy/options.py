"""`comfy.options`: whether the command line of ComfyUI is read. It never is."""

from __future__ import annotations

args_parsing = False


def enable_args_parsing(enable: bool = True) -> None:
    """Take note; Weft has a command line of its own."""
    global args_parsing
    args_parsing = enable
