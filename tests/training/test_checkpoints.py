import copy
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from palimpsest.config import runs
from palimpsest.config.yaml import InputError
from palimpsest.models import create
from palimpsest.training import checkpoints
from palimpsest.workspace import Workspace


@pytest.fixture
def saved(params, tmp_path):
    run = runs.resolve(params, "deepfill-v1")
    model = create(run, 64)
    checkpoints.save(tmp_path / "weights.safetensors", model, checkpoints.Origin(run, "bundled-photos", 64, ""))
    return tmp_path / "weights.safetensors", model, run


def test_a_checkpoint_gives_back_weights_and_origin(saved):
    path, model, run = saved
    loaded, origin = checkpoints.load(path)
    assert origin == checkpoints.Origin(run, "bundled-photos", 64, "")
    assert all(
        torch.equal(value, loaded.networks.state_dict()[name]) for name, value in model.networks.state_dict().items()
    )
    assert not any(p.requires_grad for p in loaded.networks.parameters())


def test_equal_weights_give_equal_bytes(saved):
    path, model, run = saved
    before = path.read_bytes()
    for _ in range(5):
        checkpoints.save(path, model, checkpoints.Origin(run, "bundled-photos", 64, ""))
        assert path.read_bytes() == before


def test_the_fingerprint_sees_every_setting(params, saved):
    _, _, run = saved
    first = runs.fingerprint(run, 64)
    assert runs.fingerprint(run, 128) != first
    params["runs"]["deepfill-v1"]["settings"]["loss"]["discount"] = 0.8
    assert runs.fingerprint(runs.resolve(params, "deepfill-v1"), 64) != first


@pytest.mark.parametrize("length", [0, 5, 1000, -1])
def test_a_checkpoint_that_is_cut_short_is_refused(saved, length):
    path, _, _ = saved
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="not a whole checkpoint of this project"):
        checkpoints.load(path)


@pytest.mark.parametrize("place", [0, 30, 0.2, 0.5, -1])
def test_a_checkpoint_with_a_flipped_bit_is_refused(saved, place):
    path, _, _ = saved
    content = bytearray(path.read_bytes())
    content[int(place * len(content)) if 0 < place < 1 else place] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a whole checkpoint of this project"):
        checkpoints.load(path)


def rewrite(path, change_origin=lambda origin: origin, change_weights=lambda weights: weights):
    """Writes a checkpoint anew as somebody might who knows its format."""
    with safe_open(path, "pt") as file:
        tree = json.loads(file.metadata()["head"])["origin"]
    origin, weights = change_origin(tree), change_weights(load_file(path))
    head = {"origin": origin, "sha256": checkpoints.digest(origin, weights)}
    save_file(weights, path, {"head": json.dumps(head)})


def nested(origin, depth=2000):
    text = '{"inside": ' * depth + "null" + "}" * depth
    return {**origin, "run": {**origin["run"], "start": json.loads(text)}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda origin: {**origin, "size": "64"}, "its header is damaged"),
        (lambda origin: {**origin, "size": 10**30}, "its header is damaged"),
        (lambda origin: {**origin, "run": {"model": "tmad"}}, "its header is damaged"),
        (lambda origin: {**origin, "run": {**origin["run"], "settings": []}}, "its header is damaged"),
        (lambda origin: {**origin, "run": {**origin["run"], "start": {"inside": None}}}, "its header is damaged"),
        (lambda origin: {**origin, "run": {**origin["run"], "model": "nobody's"}}, "do not fit nobody's as it is now"),
        (lambda origin: wider(origin, 2**19), "do not fit deepfill_v1 as it is now"),
        (lambda origin: wider(origin, "8"), "as it is now (runs.deepfill-v1.settings.width is '8'; accepted: a whole"),
    ],
)
def test_an_origin_that_cannot_be_is_refused_before_it_takes_memory(saved, change, said):
    path, _, _ = saved
    rewrite(path, change_origin=change)
    with pytest.raises(InputError) as error:
        checkpoints.load(path)
    assert said in str(error.value) and str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def wider(origin, width):
    run = origin["run"]
    return {**origin, "run": {**run, "settings": {**run["settings"], "width": width}}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda value: value / 0, "holds numbers that are not finite"),
        (lambda value: value.double(), "is float64 of "),
        (lambda value: value[:1], "is float32 of 1"),
    ],
)
def test_weights_of_another_kind_are_refused(saved, change, said):
    path, _, _ = saved
    rewrite(path, change_weights=lambda weights: {name: change(value) for name, value in weights.items()})
    with pytest.raises(InputError, match=rf"do not fit deepfill_v1 as it is now \(.*{said}"):
        checkpoints.load(path)


def test_weights_that_are_not_finite_are_not_written(saved):
    path, model, run = saved
    next(iter(model.networks.parameters())).data[0] = torch.nan
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"not written, as .* holds numbers that are not finite"):
        checkpoints.save(path, model, checkpoints.Origin(run, "bundled-photos", 64, ""))
    assert path.read_bytes() == before


def test_a_missing_or_foreign_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint; `dvc repro` makes it"):
        checkpoints.load(tmp_path / "weights.safetensors")
    save_file({"a": torch.zeros(3)}, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="not a whole checkpoint of this project"):
        checkpoints.load(tmp_path / "weights.safetensors")


def test_a_released_network_that_nobody_accepted_is_to_be_accepted_first(params, tmp_path):
    params["released"]["crfill"]["accept"] = False
    with pytest.raises(InputError) as error:
        checkpoints.load_named(Workspace(tmp_path), params, "released/crfill")
    assert "released.crfill.accept is false; accepted: true, if you keep to the licence" in str(error.value)
    assert "`dvc exp run -S profile=photos -S released.crfill.accept=true convert` makes it" in str(error.value)
    params["released"]["crfill"]["accept"] = True
    with pytest.raises(InputError, match="no such checkpoint; `dvc repro convert` makes it"):
        checkpoints.load_named(Workspace(tmp_path), params, "released/crfill")


def test_weights_of_another_architecture_are_refused(saved, params):
    path, model, _ = saved
    other = runs.resolve(params, "deepfill-v1-baseline")
    checkpoints.save(path, model, checkpoints.Origin(other, "bundled-photos", 64, ""))
    with pytest.raises(InputError, match="its weights do not fit deepfill_v1 as it is now"):
        checkpoints.load(path)


def save(root, params, name, seed, files=None):
    """A checkpoint of a run with random weights, and the model."""
    torch.manual_seed(seed)
    run = runs.resolve(params, name)
    model = create(run, 64)
    path = (files or Workspace(root).run(name)).weights
    checkpoints.save(path, model, checkpoints.Origin(run, "bundled-photos", 64, ""))
    return model


def equal(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_run_begins_with_the_model_inside_it_and_with_what_it_inherits(params, tmp_path):
    learned = {name: save(tmp_path, params, name, seed) for seed, name in enumerate(("deepfill-v2", "tmad"))}
    run = runs.resolve(params, "deepfill-v2-psnet")
    model = create(run, 64)
    fresh = create(run, 64)
    checkpoints.begin(model, run, 1, Workspace(tmp_path))
    assert equal(model.networks["coarse"], learned["deepfill-v2"].networks)
    for name in ("correspondence", "psnet", "patch_critic", "global_critic"):
        assert equal(model.networks[name], learned["tmad"].networks[name])
        assert not equal(model.networks[name], fresh.networks[name])


def test_a_run_begins_with_its_own_seed_of_another_or_with_the_others_first(params, tmp_path):
    learned = {"deepfill-v2": {4: save(tmp_path, params, "deepfill-v2", 0)}, "tmad": {}}  # the first of both is 4
    for seed, files in Workspace(tmp_path).run("tmad").of([4, 2]).items():
        learned["tmad"][seed] = save(tmp_path, params, "tmad", seed, files)
    run = runs.resolve(params, "deepfill-v2-psnet")
    for seed in (4, 2):
        checkpoints.begin(model := create(run, 64), run, seed, Workspace(tmp_path))
        assert equal(model.networks["psnet"], learned["tmad"][seed].networks["psnet"])
        assert equal(model.networks["coarse"], learned["deepfill-v2"][4].networks)


def test_what_is_not_inherited_begins_anew(params, tmp_path):
    save(tmp_path, params, "tmad-coarse", 0)
    learned = save(tmp_path, params, "tmad", 1)
    run = runs.resolve(params, "tmad-not-relativistic")
    model = create(run, 64)
    psnet = {name: value.clone() for name, value in model.networks["psnet"].state_dict().items()}
    checkpoints.begin(model, run, 1, Workspace(tmp_path))
    assert equal(model.networks["coarse"], learned.networks["coarse"])
    assert all(torch.equal(value, psnet[name]) for name, value in model.networks["psnet"].state_dict().items())


def test_a_run_does_not_begin_with_what_other_settings_made(params, tmp_path):
    run = runs.resolve(params, "tmad")
    model = create(run, 64)
    with pytest.raises(InputError, match=r"tmad-coarse/weights\.safetensors: no such checkpoint"):
        checkpoints.begin(model, run, 1, Workspace(tmp_path))
    other = copy.deepcopy(params)
    other["pretrained"]["tmad-coarse"]["settings"]["loss"]["hole"] = 7.0
    save(tmp_path, other, "tmad-coarse", 0)
    with pytest.raises(InputError, match=r"tmad-coarse/weights\.safetensors: made under other settings"):
        checkpoints.begin(model, run, 1, Workspace(tmp_path))


def test_nothing_is_a_checkpoint_without_weights(tmp_path):
    checkpoints.save_nothing(tmp_path / "weights.safetensors", "nobody wants it")
    assert load_file(tmp_path / "weights.safetensors") == {}
    with pytest.raises(InputError, match=r"weights\.safetensors: asked for weights, found none: nobody wants it"):
        checkpoints.load(tmp_path / "weights.safetensors")
