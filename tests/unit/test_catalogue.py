"""`weft nodes NAME`: one class by any of its names, else what has the text in one of them."""

from __future__ import annotations

import pytest

from weft.engine.errors import UsageError
from weft.engine.folders import Folders
from weft.engine.schema.node import INTERNAL, NodeSchema
from weft.engine.schema.registry import Registry
from weft.engine.terminal.catalogue import find, page, table

CLASSES = (
    NodeSchema("LoraLoader", (), (), display_name="Load LoRA", category="loaders"),
    NodeSchema("Stack", (), (), display_name="LoRA Stacker", category="mine"),
    NodeSchema("KSampler", (), (), display_name="KSampler", category="sampling"),
    NodeSchema("Other", (), (), display_name="Other", category="loaders/lora"),
    NodeSchema("weft.lora", (), (), display_name="lora", category=INTERNAL),
)
REGISTRY = Registry({one.class_type: one for one in CLASSES})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LoraLoader", ["LoraLoader"]),
        ("loraloader", ["LoraLoader"]),
        ("load lora", ["LoraLoader"]),
        ("lora", ["LoraLoader", "Stack", "Other"]),
        ("LOADERS", ["LoraLoader", "Other"]),
        ("weft.lora", ["weft.lora"]),
    ],
)
def test_found(text: str, expected: list[str]) -> None:
    assert [one.class_type for one in find(REGISTRY, text)] == expected


def test_what_takes_and_gives_lists(folders: Folders) -> None:
    spans = (span for line in page(Registry.discover().runnable("RebatchImages"), folders) for span in line)
    assert [span for span in spans if "(a list)" in span] == ["  IMAGE  (a list)", "  0  IMAGE  (a list)"]


def text_of(class_type: str, folders: Folders) -> list[str]:
    lines = page(Registry.discover().runnable(class_type), folders)
    return ["".join(span if isinstance(span, str) else span[0] for span in line) for line in lines]


def test_an_output_with_a_name_has_its_type_too(folders: Folders) -> None:
    said = text_of("SamplerCustomAdvanced", folders)
    assert said[-2:] == ["  0  output           LATENT", "  1  denoised_output  LATENT"]


def test_which_inputs_are_lazy(folders: Folders) -> None:
    said = text_of("ComfySwitchNode", folders)
    assert [line.split()[0] for line in said if line.endswith("(lazy)")] == ["on_false", "on_true"]


def test_on_a_terminal_classes_stand_below_their_categories() -> None:
    lines = [
        [span if isinstance(span, str) else span[0] for span in line] for line in table(CLASSES[1:3], grouped=True)
    ]
    assert ["".join(line) for line in lines] == ["mine", "  Stack  LoRA Stacker", "sampling", "  KSampler"]


def test_nothing_found_names_the_nearest_and_how_classes_get_in() -> None:
    with pytest.raises(UsageError) as caught:
        find(REGISTRY, "Lode LoRA")
    assert caught.value.hint.startswith("did you mean 'Load LoRA'?; --custom-nodes DIR loads packs")
    with pytest.raises(UsageError, match="weft nodes lists all"):
        find(REGISTRY, "qwerty")
