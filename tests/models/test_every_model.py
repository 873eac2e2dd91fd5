"""What every run of params.yaml keeps to, models to come included, and the models that only have released weights."""

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from palimpsest import models
from palimpsest.config import runs
from palimpsest.config.yaml import InputError, Settings, build, merge, read_yaml
from palimpsest.data.shards import Shard
from palimpsest.holes.kinds import Holes
from palimpsest.inpainting import inpaint, predict, to_tensors
from palimpsest.models import available, configure, create, find, is_prior
from palimpsest.released import read
from palimpsest.training.batches import Batches

SHIPPED = read_yaml(Path(__file__).parents[2] / "params.yaml")
SIZE = 64
RUNS = runs.trained(SHIPPED)
RELEASED = {  # layouts of models without a run: what makes them small, and their size in px
    "lama-big": ({"width": 4, "blocks": 2}, SIZE),
    "mat-256": (
        {"transformer": 8, "heads": 2, "blocks": [1, 2, 1, 1, 1], "width": {"base": 512, "most": 8}, "latent": 8},
        2 * SIZE,
    ),
}
MODELS = {name: runs.resolve(SHIPPED, name).model for name in RUNS} | {name: read(name).model for name in RELEASED}
FILLING = [name for name in MODELS if not is_prior(MODELS[name])]
BASES = [name for name in SHIPPED["runs"] if "model" in SHIPPED["runs"][name]]


def small(name):
    """The run of that name at profile tiny, or a released model's in small, and its size."""
    if name not in RELEASED:
        return runs.resolve(SHIPPED, name, "tiny"), SIZE
    run, (changes, size) = read(name).made(SHIPPED), RELEASED[name]
    return replace(run, settings=merge(run.settings, changes, run.at)), size


def made(name):
    torch.manual_seed(0)
    return create(*small(name))


@cache
def filling(name):
    """One model for all tests that fill holes, which leave it as it is."""
    model = made(name)
    model.networks.eval()
    return model


def taken(model, image, hole):
    """What a step takes, as the loader makes it."""
    derive = getattr(model, "derive", None)
    return image, hole, *(derive(image, hole) if derive else ())


def learns(name):
    return hasattr(made(name), "step")


def test_every_file_in_models_has_a_run_or_released_weights():
    assert set(MODELS.values()) == set(available())


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("profile", SHIPPED["profiles"])
def test_settings_hold_at_every_profile(name, profile):
    assert configure(runs.resolve(SHIPPED, name, profile))


@pytest.mark.parametrize("name", FILLING)
def test_the_output_is_a_picture_and_the_known_pixels_stay(name, four):
    image, hole = to_tensors(*four)
    with torch.no_grad():
        output = predict(filling(name), image, hole)
    assert output.shape == image.shape
    assert output.min() >= 0 and output.max() <= 1
    results, raw = inpaint(filling(name), *four)
    assert (results[~four[1]] == four[0][~four[1]]).all()
    assert (results[four[1]] == raw[four[1]]).all()


@pytest.mark.parametrize("name", FILLING)
def test_pixels_under_the_hole_cannot_change_the_output(name, four):
    model = filling(name)
    times = -(-model.size_divisor // SIZE)
    image, hole = (tensor.repeat(1, 1, times, times) for tensor in to_tensors(*four))
    other = torch.where(hole > 0, torch.rand(image.shape, generator=torch.Generator().manual_seed(1)), image)
    with torch.no_grad():
        assert torch.equal(model.inpaint(image, hole), model.inpaint(other, hole))


@pytest.mark.parametrize("name", FILLING)
def test_one_sample_does_not_touch_another(name, four):
    pictures, holes = four[0], four[1].copy()
    holes[1] = np.roll(holes[1], 12, 0)
    holes[2, 20:44, 30:44] = False
    model = filling(name)
    together, _ = inpaint(model, pictures, holes)
    for i in range(4):
        alone, _ = inpaint(model, pictures[i : i + 1], holes[i : i + 1])
        assert np.abs(together[i].astype(int) - alone[0]).max() <= 1


@pytest.mark.parametrize("name", [name for name in FILLING if hasattr(find(MODELS[name]).Model, "inspect")])
def test_inspecting_fills_a_hole_as_inpainting_does_in_one_pass(name, four):
    image, hole = (pad(tensor, (0, 32)) for tensor in to_tensors(*four))
    model, ran = made(name), []
    for network in model.networks.eval().modules():
        network.register_forward_hook(lambda module, *_: ran.append(module))
    with torch.no_grad():
        wanted, needed = model.inpaint(image, hole), Counter(ran)
        ran.clear()
        output, shown = model.inspect(image, hole)
    assert torch.equal(output, wanted)
    assert {network: count for network, count in Counter(ran).items() if network in needed} == needed
    assert "generator" not in model.networks or ran.count(model.networks["generator"]) == 1
    assert shown
    for value in shown.values():
        if value.is_floating_point():
            assert value.shape == image.shape and value.min() >= 0 and value.max() <= 1
        else:
            assert value.dtype == torch.int64 and len(value) == len(image)
    if "offsets" in shown:
        own = torch.stack(torch.meshgrid(torch.arange(8), torch.arange(12), indexing="ij"))
        y, x = (shown["offsets"] + own).unbind(1)
        assert y.min() >= 0 and y.max() < 8 and x.min() >= 0 and x.max() < 12


@pytest.mark.parametrize("name", FILLING)
@pytest.mark.parametrize("shape", [(37, 61), (8, 24), (64, 40)])
def test_pictures_of_any_size(name, shape):
    draw = np.random.default_rng(0)
    picture = draw.integers(0, 256, (1, *shape, 3), np.uint8)
    hole = np.zeros((1, *shape), bool)
    hole[:, 2:6, 3:9] = True
    results, outputs = inpaint(filling(name), picture, hole)
    assert results.shape == outputs.shape == picture.shape
    assert (results[~hole] == picture[~hole]).all()


@pytest.mark.parametrize(
    "name",
    [name if name in BASES else pytest.param(name, marks=pytest.mark.slow) for name in FILLING if learns(name)],
)
def test_a_step_of_each_phase_changes_every_network_and_logs_finite_losses(name, four, features):
    model = made(name)
    parameters = {key: list(network.parameters()) for key, network in model.networks.items()}
    fixed = {key for key, values in parameters.items() if values and not any(value.requires_grad for value in values)}
    before = {key: value.clone() for key, value in model.networks.state_dict().items()}
    pictures, holes = (np.repeat(part, 2 * model.batches, 0)[: 2 * model.batches] for part in four)
    for phase in model.config.schedule.phases:
        model.begin(phase)
        log = model.step(*taken(model, *to_tensors(pictures, holes)))
        assert log and all(torch.isfinite(value) for value in log.values())
    after = model.networks.state_dict()
    assert {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])} == set(
        model.networks
    ) - fixed


@pytest.mark.parametrize("name", [name for name in [*BASES, *SHIPPED["pretrained"]] if learns(name)])
def test_a_step_may_compute_in_half_the_bits(name, four, features):
    """As with `precision: bf16-mixed`."""
    model = made(name)
    model.begin(model.config.schedule.phases[-1])
    pictures, holes = (np.repeat(part, 2 * model.batches, 0)[: 2 * model.batches] for part in four)
    batch = taken(model, *to_tensors(pictures, holes))
    with torch.autocast("cpu", torch.bfloat16):
        log = model.step(*batch)
    assert log and all(torch.isfinite(value) for value in log.values())


@pytest.mark.parametrize("name", [name for name in BASES if learns(name)])
def test_training_pictures_that_a_network_cannot_divide_are_refused(name):
    with models.without_values(), pytest.raises(InputError, match=r"accepted: |takes sides"):
        create(runs.resolve(SHIPPED, name, "tiny"), SIZE + 1)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("picnet", {"levels": 9}), ("picnet", {"critic_levels": 9}), ("cra", {"generator": {"levels": 7}})],
)
def test_more_levels_than_the_pictures_carry_are_refused(name, settings):
    run = runs.resolve(SHIPPED, name, "tiny")
    with (
        models.without_values(),
        pytest.raises(InputError, match=r"accepted: 256 px or more|takes sides"),
    ):
        create(replace(run, settings=merge(run.settings, settings, run.at)), SIZE)


BY_HEART = {  # what lets a network of the smoke profile learn fast at 32 px: settings, learning rate
    "deepfill-v1": ({"patch_size": 16, "critic_steps": 2}, 0.002),
    "deepfill-v2": ({}, 0.0015),
    "crfill": ({}, 0.001),
    "deepfill-v2-cr": ({}, 0.002),
    "tmad": (
        {"memory": {"patch": 64}, "patches": 4, "loss": {"patch_adversarial": 0.005, "global_adversarial": 0.002}},
        0.001,
    ),
    "gm-srm": ({}, 0.002),
    "pconv": ({"levels": 4}, None),
    "ctsdg": ({"levels": 4}, None),
    "edge-connect": ({}, 0.003),
    "e2i": ({}, 0.003),
    "lisk": ({}, 0.003),
    "picnet": ({"critic_levels": 3}, 0.003),
    "medfe": ({"kernels": [3]}, None),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BASES if learns(name)])
def test_four_pictures_can_be_learned_by_heart(name, four, features, monkeypatch):
    """The l1 in the hole falls to half of the constant fill's; perceptual losses read the first of their layers."""
    module = find(MODELS[name])
    if hasattr(module, "FEATURES"):
        monkeypatch.setattr(module, "FEATURES", module.FEATURES[:1])
    pictures, holes = (part[:, ::2, ::2] for part in four)
    image, hole = to_tensors(pictures, holes)
    fill = made("constant-fill").inpaint(image, hole)
    goal = ((fill - image).abs() * hole).sum().item() / 2
    changes, rate = BY_HEART.get(name, ({}, None))
    run = runs.resolve(SHIPPED, name, "tiny")
    torch.manual_seed(0)
    model = create(replace(run, settings=merge(run.settings, changes, run.at)), 32)
    model.networks.to(memory_format=torch.channels_last)
    batch = taken(model, *(part.repeat(model.batches, 1, 1, 1) for part in (image, hole)))
    phase = model.config.schedule.phases[-1]
    model.begin(phase.model_copy(update={"learning_rate": rate or phase.learning_rate}))
    for step in range(400):
        model.step(*batch)
        if step % 10 == 9:
            with torch.no_grad():
                error = ((model.inpaint(image, hole) - image).abs() * hole).sum().item()
            if error <= goal:
                return
    pytest.fail(f"after 400 steps the l1 in the hole is {error / goal / 2:.2f} of the constant fill's")


def test_batches_are_a_function_of_the_iteration(shards, crops):
    holes = build(Holes, SHIPPED["holes"], "")
    schedule = configure(runs.resolve(SHIPPED, "deepfill-v1", "tiny")).schedule
    shard = Shard(shards / "train")
    batches = Batches(shard, crops, holes, schedule, 6, 1)
    image, hole = batches[7]
    again = Batches(shard, crops, holes, schedule, 6, 1)[7]
    assert torch.equal(image, again[0]) and torch.equal(hole, again[1])
    assert image.shape == (6 * schedule.batch_size, 3, SIZE, SIZE)
    assert set(hole.unique().tolist()) == {0, 1}
    halves = [Batches(shard, crops, holes, schedule, 6, 1, rank, 2)[7][0] for rank in range(2)]
    assert torch.equal(torch.stack(halves, 1).flatten(0, 1), image)
    shared = schedule.model_copy(update={"one_hole_a_batch": True})
    _, hole = Batches(shard, crops, holes, shared, 6, 1)[7]
    assert all((batch == batch[0]).all() for batch in hole.chunk(6))
    assert len({batch[0].numpy().tobytes() for batch in hole.chunk(6)}) == 6


@pytest.mark.parametrize("lacks", ["networks", "size_divisor", "inpaint", "optimisers", "batches", "begin", "step"])
def test_a_model_without_what_the_contract_asks_is_named(monkeypatch, lacks):
    names = ["networks", "size_divisor", "inpaint", "optimisers", "batches", "begin", "step"]
    model = type("Model", (), {name: None for name in names if name != lacks} | {"__init__": lambda self, *_: None})
    config = type("Config", (Settings,), {"__annotations__": {"schedule": dict}})
    monkeypatch.setattr(models, "find", lambda _: SimpleNamespace(Model=model, Config=config))
    with pytest.raises(
        InputError, match=rf"its Model has no {lacks}; accepted: what the contract in palimpsest/models"
    ):
        create(runs.Run("toy", "toy", "scenes", "tiny", {"schedule": {}}, "runs.toy.settings"), SIZE)
