"""The machine-checkable facts of DeepFill v2 at paper scale, 256 px."""

import pytest
import torch
from torch.nn.functional import max_pool2d

from building import counts, made
from palimpsest.inpainting import to_tensors


def test_parameters(params):
    found = counts(params, "deepfill-v2")
    assert found["generator"] == 4_052_478
    assert found["generator.coarse"] == 1_631_151
    assert found["generator.refinement.conv_branch"] == 990_000
    assert found["generator.refinement.attention_branch"] == 782_352
    assert found["generator.refinement.decoder"] == 648_975
    assert found["critic"] == 5_946_816


def test_the_losses_are_the_papers(params, four):
    """Hinge of the critic; l1 of both outputs over the whole picture; minus the mean score."""
    weights = {"coarse": 2.0, "refinement": 3.0, "adversarial": 0.25, "critic": 0.5}
    params["runs"]["deepfill-v2"]["settings"]["loss"] = weights
    model = made(params, "deepfill-v2", profile="tiny", size=64)
    image, hole = to_tensors(*four)
    answer = model.networks["generator"](image * 2 - 1, hole)
    model.networks["generator"].forward = lambda x, hole: answer._replace(x1=x + 0.25, x2=x - 0.5)
    critic = model.networks["critic"]
    nothing = 0 * critic[0].bias.sum()
    critic.compare = lambda real, fake, hole: (nothing + 0.4, nothing - 0.3)
    log = model.step(image, hole)
    assert log["critic"].item() == pytest.approx(0.6 + 0.7, rel=1e-6)
    assert log["l1_coarse"].item() == pytest.approx(0.25, rel=1e-5)
    assert log["l1_refined"].item() == pytest.approx(0.5, rel=1e-5)
    expected = 2 * 0.25 + 3 * 0.5 + 0.25 * log["adversarial"].item()
    assert log["generator"].item() == pytest.approx(expected, rel=1e-5)


def test_references_are_patches_that_attention_takes_for_known(params, four):
    model = made(params, "deepfill-v2", profile="tiny", size=64)
    image, hole = to_tensors(*four)
    with torch.no_grad():
        offsets = model.inspect(image, hole)[1]["offsets"]
    own = torch.stack(torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij"))
    y, x = (offsets + own).unbind(1)
    assert y.min() >= 0 and x.min() >= 0 and y.max() < 8 and x.max() < 8
    free = max_pool2d(hole[..., ::8, ::8], 3, 1, 1) == 0  # attention's own rule
    assert all(free[i, 0, y[i], x[i]].all() for i in range(4))


def test_the_released_codes_switches_train(params, four):
    settings = params["runs"]["deepfill-v2"]["settings"]
    settings["attention"] |= {"masking": "multiply", "overlap": "constant", "sampling": "aligned"}
    settings["generator"]["padding"] = settings["critic"]["padding"] = "tensorflow"
    model = made(params, "deepfill-v2", profile="tiny", size=64)
    model.begin(model.config.schedule.phases[0])
    assert all(value.isfinite() for value in model.step(*to_tensors(*four)).values())
