import copy

import pytest
import torch
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


def test_a_missing_or_foreign_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint; `dvc repro train` makes it"):
        checkpoints.load(tmp_path / "weights.safetensors")
    save_file({"a": torch.zeros(3)}, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="not a whole checkpoint of this project"):
        checkpoints.load(tmp_path / "weights.safetensors")


def test_weights_of_another_architecture_are_refused(saved, params):
    path, model, _ = saved
    other = runs.resolve(params, "deepfill-v1-baseline")
    checkpoints.save(path, model, checkpoints.Origin(other, "bundled-photos", 64, ""))
    with pytest.raises(InputError, match="its weights do not fit deepfill_v1 as it is now"):
        checkpoints.load(path)


def save(root, params, name, seed):
    """A checkpoint of a run with random weights, and the model."""
    torch.manual_seed(seed)
    run = runs.resolve(params, name)
    model = create(run, 64)
    checkpoints.save(Workspace(root).run(name).weights, model, checkpoints.Origin(run, "bundled-photos", 64, ""))
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
