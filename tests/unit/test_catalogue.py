"""`weft nodes NAME`: one class by any of its names, else what has the text in one of them."""

from __future__ import annotations

import re

import pytest

from weft.engine.describing.catalogue import Catalogue, End
from weft.engine.errors import UsageError
from weft.engine.folders import Folders
from weft.engine.schema.node import INTERNAL, InputSpec, NodeSchema
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Int
from weft.engine.terminal.catalogue import find, page, table

CLASSES = (
    NodeSchema("LoraLoader", (), (), display_name="Load LoRA", category="loaders"),
    NodeSchema("Stack", (), (), display_name="LoRA Stacker", category="mine"),
    NodeSchema("KSampler", (), (), display_name="KSampler", category="sampling"),
    NodeSchema("Other", (), (), display_name="Other", category="loaders/lora"),
    NodeSchema("weft.lora", (), (), display_name="lora", category=INTERNAL),
)
REGISTRY = Registry({one.class_type: one for one in CLASSES})
CATALOGUE = Catalogue(CLASSES)


@pytest.fixture(scope="module")
def known() -> Catalogue:
    registry = Registry.discover()
    return Catalogue(registry.schemas(), registry.packs.common)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LoraLoader", ["LoraLoader"]),
        ("loraloader", ["LoraLoader"]),
        ("load lora", ["LoraLoader"]),
        ("lora", ["LoraLoader", "Stack", "Other"]),
        ("LOADERS", ["LoraLoader", "Other"]),
        ("lora load", ["LoraLoader", "Other"]),
        ("weft.lora", ["weft.lora"]),
    ],
)
def test_found(text: str, expected: list[str]) -> None:
    assert [one.class_type for one in find(REGISTRY, CATALOGUE, text)] == expected


def test_what_takes_and_gives_lists(folders: Folders) -> None:
    spans = (span for line in page(Registry.discover().runnable("RebatchImages"), folders, CATALOGUE) for span in line)
    assert [span for span in spans if "(a list)" in span] == ["  IMAGE  (a list)", "  0  IMAGE  (a list)"]


def text_of(class_type: str, folders: Folders, catalogue: Catalogue = CATALOGUE) -> list[str]:
    lines = page(Registry.discover().runnable(class_type), folders, catalogue)
    return ["".join(span if isinstance(span, str) else span[0] for span in line) for line in lines]


def test_an_output_with_a_name_has_its_type_too(folders: Folders) -> None:
    said = text_of("SamplerCustomAdvanced", folders)
    outputs = said[said.index("Outputs") + 1 :]
    assert outputs[:2] == ["  0  output           LATENT", "  1  denoised_output  LATENT"]


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
        find(REGISTRY, CATALOGUE, "Lode LoRA")
    assert caught.value.hint.startswith("did you mean 'Load LoRA'?; --custom-nodes DIR loads packs")
    with pytest.raises(UsageError, match="weft nodes lists all"):
        find(REGISTRY, CATALOGUE, "qwerty")


def test_words_count_most_in_the_name_then_in_titles_categories_descriptions_and_inputs() -> None:
    inputs = (InputSpec("blur", Int()),)
    classes = (
        NodeSchema("E", inputs, (), display_name="e"),
        NodeSchema("D", (), (), display_name="d", description="Blur it."),
        NodeSchema("C", (), (), display_name="c", category="blurs"),
        NodeSchema("B", (), (), display_name="Blur all"),
        NodeSchema("ABlur", (), (), display_name="a"),
    )
    assert "".join(one.class_type[0] for one in Catalogue(classes).search("blur")) == "ABCDE"
    common = Catalogue(classes, ("ABlur", "E"))
    assert [one.class_type for one in common.schemas] == ["ABlur", "E", "B", "C", "D"]


def test_who_feeds_whom(known: Catalogue) -> None:
    assert known.givers("MODEL")[:3] == [
        End("CheckpointLoaderSimple", 0), End("UNETLoader", 0), End("LoraLoader", 0)
    ]  # fmt: skip
    assert known.takers("LATENT")[:2] == [End("VAEDecode", "samples"), End("KSampler", "latent_image")]
    assert "SaveImage" not in {end.class_type for end in known.givers("IMAGE")}, "it gives what it was given"
    for any_type in ("*", "INT", ("a", "b"), "COMFY_MATCHTYPE_V3"):
        assert known.givers(any_type) == known.takers(any_type) == []
    assert "SamplerCustom" in [one.class_type for one in known.giving("latent")]
    masks = known.accepting("MASK")
    assert {"MaskToImage", "InvertMask"} <= {one.class_type for one in masks}
    assert "PreviewAny" not in [one.class_type for one in masks], "it takes anything"


def test_categories_and_types_that_are_not_there(known: Catalogue) -> None:
    assert {one.category.split("/")[0] for one in known.in_category("Sampling")} == {"sampling"}
    assert known.in_category("sampling/custom_sampling/") != known.in_category("sampling")
    with pytest.raises(UsageError, match="no category 'samplin'") as caught:
        known.in_category("samplin")
    assert caught.value.hint == "did you mean 'sampling'?"
    with pytest.raises(UsageError, match="no node class has the type 'LATENTS'") as caught:
        known.giving("LATENTS")
    assert caught.value.hint == "did you mean 'LATENT'?"


def test_a_page_names_the_neighbours_and_counts_the_rest(folders: Folders, known: Catalogue) -> None:
    said = " ".join(" ".join(text_of("VAEDecode", folders, known)).split())
    assert "samples LATENT The latents. from KSampler 0, EmptyLatentImage 0, VAEEncode 0," in said
    assert "0 IMAGE to SaveImage images, PreviewImage images," in said
    assert " more 0 IMAGE" not in said and re.search(r"images, .* and \d+ more In a workflow", said)
    assert '"samples": ["KSampler", 0],' in said
