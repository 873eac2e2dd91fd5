"""The machine-checkable facts of CRFill at paper scale, 256 px, and what its loss promises."""

import pytest
import torch
from torch.nn.functional import normalize, pad
from torch.utils.flop_counter import FlopCounterMode

from building import counts, made
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_tensors
from palimpsest.layers.gated_generator import Outputs
from palimpsest.layers.patches import known_patches
from palimpsest.learning.schedule import Phase
from palimpsest.models.crfill import compared, replace_patches

ALL, RECONSTRUCTION = (Phase(name=name, iterations=1, learning_rate=1e-3) for name in ("all", "reconstruction"))


def similarity(features, normalisation):
    queries, keys = compared(features, normalisation)
    return queries.mT @ keys


def tiny(params, name="crfill"):
    return made(params, name, "tiny", 64)


@pytest.mark.parametrize("name", ["crfill", "crfill-baseline", "deepfill-v2-cr"])
def test_the_generator_is_deepfill_v2s_without_attention(params, name):
    found = counts(params, name)
    assert found["generator"] == counts(params, "deepfill-v2")["generator"] == 4_052_478
    assert found["generator.coarse"] == 1_631_151
    assert found["generator.refinement.conv_branch"] == 990_000
    assert found["generator.refinement.attention_branch"] == 782_352
    assert found["generator.refinement.decoder"] == 648_975
    assert found["critic"] == 5_946_816


def test_parameters_of_what_trains_it(params):
    found = counts(params, "crfill")
    assert found["auxiliary"] == 367_899
    assert found["similarity_encoder"] == 627_072
    assert found["auxiliary"] + found["similarity_encoder"] + found["generator"] == 5_047_449
    assert found["auxiliary_critic"] == 5_946_816
    assert set(counts(params, "crfill-baseline")) & {"auxiliary", "similarity_encoder", "auxiliary_critic"} == set()


def executed(model, size=256):
    """Modules with the shapes of their weights, and operations, of one inpainting, each in its order."""
    used = []
    for name, module in model.networks.named_modules():
        shapes = tuple(tuple(value.shape) for value in module.parameters(recurse=False))
        about = name, type(module).__name__, shapes
        module.register_forward_hook(lambda *_, about=about: used.append(about))
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model.inpaint(torch.empty(1, 3, size, size), torch.empty(1, 1, size, size))
    return used, counter.get_flop_counts()["Global"]


def test_at_inference_the_loss_costs_nothing(params):
    with torch.device("meta"):
        models = [made(params, name) for name in ("crfill", "crfill-baseline")]
    with_loss, without = (executed(model) for model in models)
    assert with_loss == without
    assert all(name.startswith("generator") for name, _, _ in with_loss[0])
    attending, _ = executed_v2 = executed(made_on_meta(params, "deepfill-v2"))
    assert sum(executed_v2[1].values()) > sum(without[1].values())
    assert "ContextualAttention" in {kind for _, kind, _ in attending}


def made_on_meta(params, name):
    with torch.device("meta"):
        return made(params, name)


def test_shapes_of_the_auxiliary_network_and_the_similarity(params):
    with torch.device("meta"):
        model = made(params, "crfill")
        auxiliary, features = model.networks["auxiliary"], torch.empty(2, 96, 64, 64)
        assert auxiliary.encoder(torch.empty(2, 3, 256, 256)).shape == (2, 24, 256, 256)
        assert model.networks["similarity_encoder"](features).shape == (2, 96, 64, 64)
        assert [part.shape for part in model.compared(features)] == [(2, 1536, 1024)] * 2
        assert model.weights(features, torch.empty(2, 1, 256, 256)).shape == (2, 1024, 1024)
        assert auxiliary(torch.empty(2, 3, 256, 256), torch.empty(2, 1024, 1024)).shape == (2, 3, 256, 256)


def test_the_similarity_is_the_cosine_of_patches():
    torch.manual_seed(0)
    features = torch.randn(2, 3, 16, 12, dtype=torch.float64)
    found = similarity(features, "patch")
    wide = pad(features, [1] * 4, mode="replicate")
    patches = [wide[:, :, y : y + 4, x : x + 4].flatten(1) for y in range(0, 16, 2) for x in range(0, 12, 2)]
    for i, j in ((0, 0), (3, 40), (47, 5), (20, 21)):
        expected = torch.cosine_similarity(patches[i], patches[j])
        assert torch.allclose(found[:, i, j], expected, atol=1e-12)
    assert found.abs().max() <= 1 + 1e-12 and torch.allclose(found.diagonal(dim1=1, dim2=2), torch.ones(2, 48).double())


def test_the_released_codes_normalisations():
    torch.manual_seed(0)
    features = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    wide = pad(features, [1] * 4, mode="replicate")
    query, key = wide[:, :, 2:6, 0:4], wide[:, :, 4:8, 6:10]  # patches 8 and 19 of 8 in a row
    by_map = (query * key / features.square().sum((2, 3), keepdim=True).sqrt()).sum()
    assert similarity(features, "map")[0, 8, 19].item() == pytest.approx(by_map.item(), rel=1e-9)
    by_channel = (query.flatten(2) * normalize(key.flatten(2), dim=2)).sum()
    assert similarity(features, "patch-channel")[0, 8, 19].item() == pytest.approx(by_channel.item(), rel=1e-9)


def test_only_known_patches_are_borrowed_and_shares_sum_to_one(params, four):
    model = tiny(params)
    image, hole = to_tensors(*four)
    with torch.no_grad():
        weights = model.weights(model.generator(image * 2 - 1, hole).features, hole)
    assert torch.allclose(weights.sum(2), torch.ones(4, 64), atol=1e-5)
    assert weights.mT[~known_patches(hole).flatten(1)].abs().max() == 0


def test_patches_that_choose_themselves_give_the_features_back():
    features = torch.randn(2, 5, 48, 64)
    same = replace_patches(features, torch.eye(48).expand(2, 48, 48))
    assert torch.allclose(same, features, atol=1e-5)


def test_a_patch_from_the_edge_brings_the_picture_and_nothing_from_beyond_it():
    """Beyond the edge features repeat their border, as those that are compared do: a constant map stays constant."""
    torch.manual_seed(0)
    weights = torch.rand(1, 64, 64).softmax(2)
    assert torch.allclose(replace_patches(torch.ones(1, 1, 64, 64), weights), torch.ones(1, 1, 64, 64), atol=1e-5)
    features = torch.arange(64.0).expand(1, 1, 64, 64).contiguous()
    first = torch.zeros(1, 64, 64)
    first[..., 0] = 1  # the patch in the corner, whose columns are 0, 0, 0, 0, 0, 1, … 11, everywhere
    found = replace_patches(features, first)[0, 0, 20, 20:28]
    corner = [0] * 4 + list(range(12))
    assert found.tolist() == [(corner[x] + corner[x + 8]) / 2 for x in range(8)]


def test_a_patch_is_replaced_by_the_one_it_chooses():
    features = torch.arange(8.0).repeat_interleave(8).view(1, 1, 1, 64).expand(1, 1, 64, 64).contiguous()
    choice = torch.arange(64).view(8, 8)
    choice[:, :4] = choice[:, 4:]
    weights = torch.zeros(1, 64, 64).scatter_(2, choice.flatten().view(1, 64, 1), 1.0)
    moved = replace_patches(features, weights)
    assert torch.equal(moved[0, 0, 8, 4:28], features[0, 0, 8, 36:60])


def test_the_cr_loss_trains_the_generator_through_features_and_result(params, four):
    """Through both inputs of the auxiliary image: features up to the sixth layer, and all else through the result."""
    model = tiny(params)
    image, hole = to_tensors(*four)
    x = image * 2 - 1

    def reached(by_features: bool) -> set[str]:
        outputs = model.generator(x, hole)
        result = outputs.x2 * hole + x * (1 - hole)
        features = outputs.features if by_features else outputs.features.detach()
        weights = model.weights(features, hole)
        loss = (model.networks["auxiliary"](result.detach() if by_features else result, weights) - x).abs().mean()
        named = dict(model.generator.named_parameters())
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        return {n for n, g in zip(named, gradients, strict=True) if g is not None and g.abs().sum() > 0}

    every = {name for name, _ in model.generator.named_parameters()}
    before = {name for name in every if name.startswith(("refinement.attention_branch.before", "coarse"))}
    assert reached(by_features=True) == before
    assert reached(by_features=False) == every


def test_phases_train_what_they_say(params, four):
    model = tiny(params)
    image, hole = to_tensors(*four)
    trained = {}
    for phase in ("coarse", "refinement", "all", "reconstruction"):
        before = {name: value.clone() for name, value in model.networks.named_parameters()}
        model.begin(Phase(name=phase, iterations=1, learning_rate=1e-3))
        log = model.step(image, hole)
        moved = {n for n, value in model.networks.named_parameters() if not torch.equal(value, before[n])}
        trained[phase] = {".".join(name.split(".")[: 2 if "generator" in name else 1]) for name in moved}
        assert ("l1_auxiliary" in log) == (phase == "reconstruction")
    assert trained["coarse"] == {"generator.coarse"}
    assert trained["refinement"] == {"generator.refinement", "critic"}
    assert trained["all"] == {"generator.coarse", "generator.refinement", "critic"}
    assert trained["reconstruction"] == trained["all"] | {"auxiliary", "auxiliary_critic", "similarity_encoder"}


def test_the_base_is_the_same_with_and_without_the_loss(params, four):
    """Baseline and Baseline + CR part where the loss begins, not before."""
    image, hole = to_tensors(*four)
    base, full = tiny(params, "crfill-baseline"), tiny(params, "crfill")
    for phase in base.config.schedule.phases:
        for model in (base, full):
            model.begin(phase)
            model.step(image, hole)
        states = [model.networks.state_dict() for model in (base, full)]
        shared = [torch.equal(value, states[1][name]) for name, value in states[0].items()]
        assert all(shared) == (phase.name != "reconstruction")


def test_the_loss_is_equation_two(params, four):
    weights = {"reconstruction": 0.25, "adversarial": 0.5, "refinement": 2.0, "coarse": 3.0}
    params["runs"]["crfill"]["settings"]["loss"] |= weights
    model = tiny(params)
    model.begin(RECONSTRUCTION)
    log = {name: value.item() for name, value in model.step(*to_tensors(*four)).items()}
    auxiliary = 0.25 * (2.0 * log["l1_auxiliary"] + 0.5 * log["adversarial_auxiliary"])
    expected = 3.0 * log["l1_coarse"] + 2.0 * log["l1_refined"] + 0.5 * log["adversarial"] + auxiliary
    assert log["generator"] == pytest.approx(expected, rel=1e-5)


def test_an_image_whose_hole_repeats_its_surroundings_can_be_referred_to(params):
    """With features that are the colours themselves, each missing stripe refers to a known one of its colour."""
    model = tiny(params)
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[:, 0, 16:32], stripes[:, 1, 32:48] = 1, 1
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 24:40, 24:40] = 1
    features = torch.cat([stripes, 1 - stripes], 1)[..., 2::4, 2::4]
    model.generator.forward = lambda x, hole: Outputs(x, x, features, None)
    del model.networks["similarity_encoder"]
    down, across = model.inspect(stripes, hole)[1]["offsets"][0]
    chosen = (down + torch.arange(8)[:, None]) * 8 + across + torch.arange(8)
    assert known_patches(hole).flatten()[chosen].all()
    alike = similarity(features, "patch")[0].gather(1, chosen.view(64, 1))
    assert torch.allclose(alike, torch.ones(64, 1), atol=1e-5)


@pytest.mark.parametrize("changes", [{"encoder": False}, {"normalisation": "map"}, {"normalisation": "patch-channel"}])
def test_the_released_codes_switches_train(params, four, changes):
    params["runs"]["crfill"]["settings"]["similarity"] |= changes
    params["runs"]["crfill"]["settings"]["adversarial"] = "hinge-on-both"
    params["runs"]["crfill"]["settings"]["generator"]["padding"] = "tensorflow"
    model = tiny(params)
    model.begin(RECONSTRUCTION)
    log = model.step(*to_tensors(*four))
    assert all(value.isfinite() for value in log.values())
    assert ("similarity_encoder" in model.networks) == changes.get("encoder", True)


def test_the_critics_learn_faster_by_their_rate(params):
    model = tiny(params)
    model.begin(ALL)
    rates = {name: optimiser.param_groups[0]["lr"] for name, optimiser in model.optimisers.items()}
    assert rates == {"generator": 1e-3, "critics": 4e-3}


def test_phases_that_cannot_be_are_refused(params):
    phases = params["runs"]["crfill"]["settings"]["schedule"]["phases"]["tiny"]
    phases[-1]["name"] = "all"
    with pytest.raises(InputError, match=r"has a weight and schedule\.phases no phase 'reconstruction'"):
        tiny(params)
    phases[1]["name"] = "warm-up"
    with pytest.raises(InputError, match="found 'warm-up'; accepted: coarse, refinement, all, reconstruction"):
        tiny(params)


def test_references_are_the_patches_of_the_largest_weight(params, four):
    model = tiny(params)
    image, hole = to_tensors(*four)
    with torch.no_grad():
        down, across = model.inspect(image, hole)[1]["offsets"].unbind(1)
        features = model.generator(image * 2 - 1, hole).features
        weights = model.weights(features, hole)
    chosen = (down + torch.arange(8)[:, None]) * 8 + across + torch.arange(8)
    assert torch.equal(chosen.flatten(1), weights.argmax(2))
    everywhere = model.references(features, torch.ones_like(hole))
    assert torch.equal(
        everywhere, -torch.stack(torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")).expand(4, 2, 8, 8)
    )
