import pytest
import torch
from safetensors.torch import save_file

from palimpsest import checkpoints, runs
from palimpsest.config import InputError
from palimpsest.models import create


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
