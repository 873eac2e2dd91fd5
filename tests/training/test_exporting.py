"""A trained run in its authors' format gives the same tensors when it is read as a released one."""

from dataclasses import replace

import pytest
import torch

from building import made
from palimpsest.config import runs
from palimpsest.config.yaml import InputError, merge
from palimpsest.models import create
from palimpsest.released import read
from palimpsest.released.converting import held, to_ours
from palimpsest.released.files import read_tensors
from palimpsest.training import checkpoints
from palimpsest.training.exporting import save


def origin(run):
    return checkpoints.Origin(run, "bundled-photos", 256, "")


def released_run(params, layout):
    """The run of a layout, with the settings of its network."""
    run = runs.resolve(params, layout.run, "paper")
    return replace(run, settings=merge(run.settings, layout.settings, run.at))


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("crfill", ["crfill.pth"]),
        ("deepfill-v1", ["deepfill-v1.index", "deepfill-v1.data-00000-of-00001"]),
        ("gl-otenim", ["gl-otenim.pth", "gl-otenim.json"]),
    ],
)
def test_what_is_saved_is_read_as_released(params, tmp_path, name, files):
    layout = read(name)
    run = released_run(params, layout)
    torch.manual_seed(0)
    model = create(run, 256)
    written = save(params, model, origin(run), "released", tmp_path)
    (own,) = [saved for saved in written if saved.files[0].stem == name]
    assert [path.name for path in own.files] == files and own.differing == []
    tensors = read_tensors(layout, [tmp_path / file for file in files], None)
    ours = held(layout, model.networks)
    found = to_ours(layout, tensors, {key: torch.zeros_like(value) for key, value in ours.items()}, name)
    for key, value in ours.items():
        if key != "mean_colour.batches":
            assert torch.equal(found[key], value), key


def test_a_run_of_other_settings_says_in_which_its_code_differs(params, tmp_path):
    run = runs.resolve(params, "deepfill-v1", "paper")
    saved = save(params, made(params, "deepfill-v1"), origin(run), "released", tmp_path)
    bundle = next(each for each in saved if each.files[0].name == "deepfill-v1.index")
    assert {"padding: tensorflow, not zeros", "attention.sampling: aligned, not strided"} <= set(bundle.differing)


def test_a_run_of_other_widths_is_refused(params, tmp_path):
    run = runs.resolve(params, "deepfill-v1", "tiny")
    with pytest.raises(InputError, match="asked for a released format, found none that fits"):
        save(params, made(params, "deepfill-v1", "tiny", 64), origin(run), "released", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_method_that_nobody_released_is_saved_plainly(params, tmp_path, four):
    model = made(params, "lahiri", "tiny", 64)
    run = runs.resolve(params, "lahiri", "tiny")
    with pytest.raises(InputError, match="no released format of lahiri is known; accepted: safetensors"):
        save(params, model, origin(run), "released", tmp_path)
    (saved,) = save(params, model, replace(origin(run), size=64), "safetensors", tmp_path)
    again, about = checkpoints.load(*saved.files)
    assert about.run == run
    for name, value in model.networks.state_dict().items():
        assert torch.equal(again.networks.state_dict()[name], value)
