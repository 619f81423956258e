"""Patched networks: what is shared, what is not, and that nothing leaks."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from weft.nodes.diffusion.errors import PatchError
from weft.nodes.diffusion.families.latent_format import LatentFormat
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.patcher import ModelPatcher


@dataclass(frozen=True)
class Add:
    """weight + strength * value; counts how often it is applied."""

    value: float
    calls: list = None
    networks = ()

    @property
    def identity(self):
        return ("add", self.value)

    @property
    def nbytes(self):
        return 10

    def apply(self, weight, strength):
        assert weight.dtype == torch.float32
        if self.calls is not None:
            self.calls.append(strength)
        return weight + strength * self.value


class Reshape(Add):
    def apply(self, weight, strength):
        return weight[:1]


def network(dtype=torch.float32):
    torch.manual_seed(0)
    shared = nn.Linear(3, 3)
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Sequential(shared, nn.ReLU()), shared)
    return PatchedNetwork(net.to(dtype).eval().requires_grad_(False))


def parameters(module):
    return dict(module.named_parameters())


def test_without_patches_it_is_the_base():
    base = network()
    assert base.module() is base.base
    assert base.nbytes == 0
    assert base.identity == ()


def test_only_the_patched_parameters_are_new():
    base = network()
    before = {name: p.clone() for name, p in parameters(base.base).items()}
    patched = base.with_patches({"0.weight": Add(1.0)}, 0.5)
    twin = patched.module()
    assert twin is not base.base
    for name, parameter in parameters(base.base).items():
        assert torch.equal(parameter, before[name]), "the base changed"
        assert (parameters(twin)[name] is parameter) == (name != "0.weight"), name
    assert torch.equal(twin[0].weight, before["0.weight"] + 0.5)
    assert not twin[0].weight.requires_grad
    assert not twin.training
    assert isinstance(twin[0].weight, nn.Parameter)
    assert twin[1].running_mean is base.base[1].running_mean
    assert patched.nbytes == 9 * 4 + 10


def test_a_module_used_twice_stays_one_module():
    twin = network().with_patches({"2.0.weight": Add(1.0)}, 1.0).module()
    assert twin[3] is twin[2][0]
    assert torch.equal(twin[3].weight, network().base[3].weight + 1.0)


def test_branches_do_not_leak_into_each_other():
    base = network()
    x = torch.ones(2, 3)
    plain = base.module()(x)
    one, other = base.with_patches({"0.bias": Add(1.0)}, 1.0), base.with_patches({"0.bias": Add(-2.0)}, 1.0)
    assert not torch.equal(one.module()(x), other.module()(x))
    assert torch.equal(base.module()(x), plain)
    one.module()[0].register_forward_hook(lambda module, args, output: output * 0.0)
    one.module().extra = "set by a pack"
    assert torch.equal(base.module()(x), plain)
    assert not hasattr(base.base, "extra")
    assert not other.module()[0]._forward_hooks


def test_patches_are_added_in_order_to_one_float32_temporary():
    base = network(torch.float16)
    tiny = 2.0**-13  # too little for float16 alone near 1
    base.base[0].weight.fill_(1.0)
    patched = base
    for _ in range(8):
        patched = patched.with_patches({"0.weight": Add(tiny)}, 1.0)
    weight = patched.module()[0].weight
    assert weight.dtype == torch.float16
    assert torch.equal(weight, torch.full_like(weight, 1.0 + 8 * tiny))
    assert patched.nbytes == 9 * 2 + 10, "equal patches are held once"


def test_strength_zero_is_exactly_the_base():
    base = network()
    assert base.with_patches({"0.weight": Add(1.0)}, 0.0) is base
    assert base.with_patches({}, 1.0) is base


def test_equal_patches_are_realised_once():
    base, calls = network(), []
    first = base.with_patches({"0.weight": Add(1.0, calls)}, 0.5)
    second = base.with_patches({"0.weight": Add(1.0, calls)}, 0.5)
    assert first.identity == second.identity
    assert first.module() is second.module()
    assert first.module() is first.module()
    assert calls == [0.5]
    assert base.with_patches({"0.weight": Add(1.0, calls)}, 0.6).module() is not first.module()


def test_the_order_of_names_is_no_difference_but_that_of_patches_is():
    base = network()
    ab = base.with_patches({"0.weight": Add(1.0), "0.bias": Add(2.0)}, 1.0)
    ba = base.with_patches({"0.bias": Add(2.0), "0.weight": Add(1.0)}, 1.0)
    assert ab.identity == ba.identity
    stacked = base.with_patches({"0.bias": Add(1.0)}, 1.0).with_patches({"0.bias": Add(2.0)}, 1.0)
    turned = base.with_patches({"0.bias": Add(2.0)}, 1.0).with_patches({"0.bias": Add(1.0)}, 1.0)
    assert stacked.identity != turned.identity


def test_a_realised_module_lives_as_long_as_somebody_holds_its_network():
    base = network()
    first = base.with_patches({"0.weight": Add(1.0)}, 1.0)
    second = base.with_patches({"0.weight": Add(1.0)}, 1.0)
    alive = weakref.ref(first.module())
    assert second.module() is alive()
    del first
    gc.collect()
    assert alive() is not None
    del second
    gc.collect()
    assert alive() is None


def test_threads_that_ask_at_once_get_the_same_module():
    base, calls, got = network(), [], []
    networks = [base.with_patches({"0.weight": Add(1.0, calls)}, 1.0) for _ in range(8)]
    threads = [threading.Thread(target=lambda n=n: got.append(n.module())) for n in networks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(module) for module in got}) == 1
    assert len(calls) == 1


def test_realised_under_inference_mode_the_weights_are_plain():
    with torch.inference_mode():
        twin = network().with_patches({"0.weight": Add(1.0)}, 1.0).module()
    assert not twin[0].weight.is_inference()


def test_an_unknown_parameter_is_an_error_that_names_the_nearest():
    with pytest.raises(PatchError, match="no parameter '0.weigth' in Sequential; did you mean '0.weight'"):
        network().with_patches({"0.weigth": Add(1.0)}, 1.0)
    with pytest.raises(PatchError, match="and 1 more"):
        network().with_patches({"zzz": Add(1.0), "yyy": Add(1.0)}, 0.0)


def test_a_patch_that_changes_the_shape_is_an_error():
    with pytest.raises(PatchError, match=r"made \(1, 3\) of '0.weight', which is \(3, 3\)"):
        network().with_patches({"0.weight": Reshape(1.0)}, 1.0).module()


def test_a_deep_copy_shares_everything():
    patched = network().with_patches({"0.weight": Add(1.0)}, 1.0)
    assert copy.deepcopy({"network": patched})["network"] is patched


def model():
    kind = SimpleNamespace(latent_format=LatentFormat(4, 8, 0.18215))
    return ModelPatcher(network(), kind, SimpleNamespace(prediction="eps"))


def test_a_clone_has_its_own_patches_and_options():
    first = model()
    second = first.clone()
    second.model_options["transformer_options"]["patches"] = {"attn1": [len]}
    third = second.clone()
    third.model_options["transformer_options"]["patches"]["attn1"].append(max)
    assert first.model_options == {"transformer_options": {}}
    assert second.model_options["transformer_options"]["patches"] == {"attn1": [len]}
    assert second.add_patches({"0.weight": Add(1.0)}, 0.7) == ["0.weight"]
    assert not first.network.patches
    assert (first.nbytes, second.nbytes) == (0, 46)
    assert third.network.base is first.network.base
    assert second.kind is first.kind
    assert second.sampling is first.sampling
    assert second.latent_scale == 0.18215


def test_add_patches_applies_what_the_network_has_and_says_so():
    clone = model().clone()
    assert clone.add_patches({"nope": Add(1.0), "0.bias": Add(1.0)}) == ["0.bias"]
    assert list(clone.network.patches) == ["0.bias"]
    assert clone.network.patches["0.bias"][0][1] == 1.0


def test_a_twin_of_the_real_networks_computes_what_a_copy_with_new_weights_computes(parity):
    from weft.nodes.diffusion.weights.checkpoint import load_checkpoint

    path = parity / "models" / "checkpoints" / "tiny_sdxl.safetensors"
    loaded = load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32)
    tower = loaded.clip.encoders[1].network
    ids = torch.arange(77)[None]
    cases = [
        (tower, "text_model.encoder.layers.1.mlp.fc1.weight", lambda m: m(ids).text_embeds),
        (loaded.vae.network, "decoder.conv_in.weight", lambda m: m.decode(torch.ones(1, 4, 2, 2)).sample),
    ]
    for wrapped, name, compute in cases:
        patched = wrapped.with_patches({name: Add(0.01)}, 1.0)
        with torch.inference_mode():
            plain, changed = compute(wrapped.module()), compute(patched.module())
            reference = copy.deepcopy(wrapped.base)
            reference.get_parameter(name).add_(0.01)
            assert torch.equal(changed, compute(reference))
            assert not torch.equal(changed, plain)
            assert torch.equal(compute(wrapped.module()), plain)
        assert patched.module().config == wrapped.base.config
        shared = [p for p in patched.module().parameters() if any(p is q for q in wrapped.base.parameters())]
        assert len(shared) == len(list(wrapped.base.parameters())) - 1


def test_another_format_is_that_of_all_weights_once_they_are_made():
    base = network()
    half = base.in_format(torch.bfloat16).with_patches({"0.weight": Add(1.0)}, 0.5)
    made = parameters(half.module())
    assert {each.dtype for each in made.values()} == {torch.bfloat16}
    assert torch.equal(made["0.weight"], (base.base[0].weight + 0.5).to(torch.bfloat16))
    assert torch.equal(made["2.0.bias"], base.base[2][0].bias.to(torch.bfloat16))
    assert half.module()[2][0] is half.module()[3]
    assert {each.dtype for each in parameters(base.module()).values()} == {torch.float32}
    patched = base.with_patches({"0.weight": Add(1.0)}, 0.5)
    assert patched.identity != half.identity == patched.in_format(torch.bfloat16).identity
    assert half.nbytes == 2 * sum(each.numel() for each in made.values()) + 10
    assert len(list(half.memory_parts)) == 2
