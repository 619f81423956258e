"""The built-in nodes as a pack: what the engine finds through the entry-point group `weft.packs`."""

from __future__ import annotations

from weft.engine.schema.packs import Pack, SelfTests
from weft.nodes import NODES
from weft.nodes.common import COMMON
from weft.nodes.core.settings import PASSES, SAMPLING_VERSION, SETTINGS
from weft.nodes.frontend import FRONTEND
from weft.nodes.thirdparty import BORROWED

_ASSERTIONS = frozenset(name for name in NODES if name.startswith("Assert"))

PACK = Pack(
    nodes=NODES,
    settings=SETTINGS,
    passes=PASSES,
    versions=(SAMPLING_VERSION,),
    frontend=FRONTEND,
    self_tests=SelfTests(frozenset(("TestDefinition",)), _ASSERTIONS, frozenset(("AssertExecuted",))),
    environment="weft.nodes.core.environment:environment",
    codecs={"torch.Tensor": "weft.nodes.core.codecs:TENSOR"},
    gatherer="weft.nodes.diffusion.sampling.gathering:Gathering",
    measures={"LATENT": "weft.nodes.core.measuring:latent"},
    instrument="weft.nodes.diffusion.testing.measures",
    pictures="weft.nodes.diffusion.values.sheets",
    imports="weft.nodes.compat",
    borrowed=BORROWED,
    common=COMMON,
    stand_ins="weft.nodes.core.standins:STAND_INS",
    check="weft.nodes.core.environment:require_device",
    checkup="weft.nodes.core.checkup:CHECKUP",
    templates="weft.nodes.templates:TEMPLATES",
    lint="weft.nodes.lint:RULES",
    memory="weft.nodes.core.reckoning:reckoned",
)
