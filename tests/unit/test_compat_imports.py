"""How ComfyUI's module names are answered, and what stands for names that are not there."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from weft.engine.errors import DefinitionError
from weft.engine.folders import Folders
from weft.engine.schema.registry import Registry
from weft.engine.settings import Settings
from weft.nodes import compat

Load = Callable[[str], ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Loads the text of a pack `mine`."""
    folders = Folders(models=[tmp_path], input=tmp_path, output=tmp_path, temp=tmp_path)
    compat.install(compat.Host(Registry({}), folders, Settings()))
    file = tmp_path / "mine.py"

    def loaded(text: str) -> ModuleType:
        file.write_text(textwrap.dedent(text))
        spec = importlib.util.spec_from_file_location("mine", file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with compat.loading("mine", str(file)):
            spec.loader.exec_module(module)
        return module

    yield loaded
    compat.uninstall()


def fails(function: Callable[[], Any]) -> str:
    with pytest.raises(compat.MissingName) as failure:
        function()
    return failure.value.message


def test_a_module_is_one_object_by_both_names(load: Load) -> None:
    module = load("import comfy.options\nfrom comfy import options")
    assert module.options is module.comfy.options is importlib.import_module("weft.nodes.compat.modules.comfy.options")


def test_a_module_is_known_by_its_package_before_it_is_imported(load: Load) -> None:
    sys.modules.pop("comfy.rmsnorm", None)
    module = load("import comfy.options\nhere = hasattr(comfy, 'rmsnorm')\nmodule = comfy.rmsnorm")
    assert module.here and module.module is importlib.import_module("comfy.rmsnorm")


def test_without_packs_no_name_is_taken() -> None:
    compat.uninstall()  # an earlier test may have used packs
    assert importlib.util.find_spec("comfy") is None and "comfy" not in sys.modules


def test_what_is_missing_fails_at_its_first_use_and_says_whose_it_is(load: Load) -> None:
    module = load("""
        import comfy.strange
        import comfy.options
        from comfy.ldm.strange.math import apply_rope
        from comfy.options import nothing

        class Base(comfy.strange.disable_weight_init.Conv2d):
            own = 1

        @apply_rope
        def decorated(x: nothing | None, y: comfy.strange.Kind = None): ...

        def late():
            return comfy.options.more

        def later():
            from comfy.options import others
            return others()
    """)
    assert module.Base.own == 1
    expected = {
        "apply_rope": lambda: module.apply_rope(1, 2),
        "comfy.ldm.strange.math.apply_rope": lambda: module.decorated(1),
        "comfy.options.nothing": lambda: bool(module.nothing),
        "comfy.strange.disable_weight_init.Conv2d": lambda: module.Base(3, 3),
        "comfy.options.more": module.late,
        "comfy.options.others": module.later,
    }
    for name, use in expected.items():
        message = fails(use)
        assert message.startswith("pack 'mine' uses ") and name in message and message.endswith(", which Weft has not")
    assert "comfy.ldm.strange.math.apply_rope" in compat.lacking("mine")


def test_what_a_pack_guards_fails_as_it_expects(load: Load) -> None:
    module = load("""
        import comfy.options
        found = []
        try:
            import comfy.ldm.minimax.model
        except ImportError:
            found.append("module")
        try:
            from comfy.options import nothing
        except (ValueError, ModuleNotFoundError, ImportError):
            found.append("name")
        try:
            comfy.options.nothing
        except AttributeError:
            found.append("attribute")
        try:
            import comfy.ldm.other.model
        except ValueError:
            pass
        found += [hasattr(comfy.options, "nothing"), getattr(comfy.ldm.other, "nothing", 7)]
    """)
    assert module.found == ["module", "name", "attribute", False, 7]


def test_a_node_whose_class_is_missing_is_told_as_that(load: Load) -> None:
    module = load("""
        from comfy_extras.nodes_strange import Strange

        class Derived(Strange):
            pass
    """)
    registry = Registry({"Strange": module.Strange, "Derived": module.Derived})
    for class_type in registry:
        with pytest.raises(DefinitionError, match=r"pack 'mine' uses comfy_extras\.nodes_strange\.Strange"):
            registry[class_type]


def test_a_placeholder_of_one_pack_is_none_of_the_next(load: Load) -> None:
    load("import comfy.ldm.strange.attention")
    module = load("try:\n    import comfy.ldm.strange.attention\nexcept ImportError:\n    fell_back = True")
    assert module.fell_back


def test_other_modules_are_not_answered(load: Load) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        load("import no_such_library")
