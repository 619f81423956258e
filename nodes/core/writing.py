"""Text that language models write, which text encoders of newer families are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.errors import WeftError
from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Boolean, DynamicCombo, Int, String
from weft.nodes.core.conditioning import require
from weft.nodes.core.types import NEWER, Audio, Clip, Image

_DRAW = {
    "temperature": ["FLOAT", {"default": 0.7, "min": 0.01, "max": 2.0, "step": 0.000001}],
    "top_k": ["INT", {"default": 64, "min": 0, "max": 1000}],
    "top_p": ["FLOAT", {"default": 0.95, "min": 0.0, "max": 1.0, "step": 0.01}],
    "min_p": ["FLOAT", {"default": 0.05, "min": 0.0, "max": 1.0, "step": 0.01}],
    "repetition_penalty": ["FLOAT", {"default": 1.05, "min": 0.0, "max": 5.0, "step": 0.01}],
    "seed": ["INT", {"default": 0, "min": 0, "max": 0xFFFFFFFFFFFFFFFF}],
    "presence_penalty": ["FLOAT", {"default": 0.0, "min": 0.0, "max": 5.0, "step": 0.01}],
}
SamplingMode = Annotated[
    Mapping[str, Any],
    DynamicCombo(
        options=[{"key": "on", "inputs": {"required": _DRAW}}, {"key": "off", "inputs": {"required": {}}}],
    ),
]


@node(display_name="Generate Text", category="textgen", python_module=NEWER)
def TextGenerate(
    *,
    clip: Clip,
    prompt: Annotated[str, String(default="", multiline=True, dynamicPrompts=True)],
    max_length: Annotated[int, Int(default=512, min=1, max=32768)],
    sampling_mode: SamplingMode,
    image: Image | None = None,
    video: Image | None = None,
    audio: Audio | None = None,
    system_prompt: Annotated[str, String(forceInput=True)] = "",
    thinking: Annotated[bool, Boolean(default=False)] = False,
    use_default_template: Annotated[bool, Boolean(default=True)] = True,
    mtp: Annotated[str, String(default="auto")] = "auto",
    context: RunContext,
) -> tuple[Annotated[str, String(), Output("generated_text")], Annotated[str, String(), Output("thinking")]]:
    """Let a language model answer a prompt, about pictures if it sees any. The same seed gives the same text.

    Args:
        clip: A text encoder that is a language model: Qwen2.5-VL or Qwen3.
        prompt: What is asked.
        max_length: Tokens at most; a text that is cut there gives a warning.
        sampling_mode: Whether tokens are drawn, and how, or the likeliest is taken.
        image: The pictures that the prompt is about.
        video: Videos are refused.
        audio: Sounds are refused.
        system_prompt: What the model is told before.
        thinking: Whether it thinks before it answers, where it can.
        use_default_template: Whether the prompt stands in the model's chat; else the model continues it.
        mtp: Nothing: no token is guessed ahead.
    """
    from weft.nodes.diffusion.text.writing import Draw, write

    if video is not None or audio is not None:
        raise WeftError(f"language models are shown pictures alone, got {'a video' if audio is None else 'sounds'}")
    drawn = {name: sampling_mode[name] for name in _DRAW} if sampling_mode["sampling_mode"] == "on" else None
    written = write(
        require(clip, "text encoder"),
        prompt,
        [] if image is None else [each[None] for each in image],
        system=system_prompt,
        length=max_length,
        draw=None if drawn is None else Draw(**drawn),
        thinks=thinking,
        chat=use_default_template,
        report=context.progress,
        warn=context.warn,
    )
    return written.text, written.thinking
