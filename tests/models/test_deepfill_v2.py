"""The machine-checkable facts of DeepFill v2 at paper scale, 256 px."""

import pytest
import torch
from building import counts, made, shapes
from torch.nn.functional import conv2d

from palimpsest.inpainting import to_tensors
from palimpsest.models.deepfill_v2 import Critic, CriticConfig


def test_parameters(params):
    found = counts(params, "deepfill-v2")
    assert found["generator"] == 4_052_478
    assert found["generator.coarse"] == 1_631_151
    assert found["generator.refinement.conv_branch"] == 990_000
    assert found["generator.refinement.attention_branch"] == 782_352
    assert found["generator.refinement.decoder"] == 648_975
    assert found["critic"] == 5_946_816


def test_shapes_of_every_layer(params):
    with torch.device("meta"):
        model = made(params, "deepfill-v2")
        refinement = model.generator.refinement
        coarse, _ = shapes(model.generator.coarse, torch.empty(1, 5, 256, 256))
        conv, _ = shapes(refinement.conv_branch, torch.empty(1, 3, 256, 256))
        attention, _ = shapes(refinement.attention_branch["before"], torch.empty(1, 3, 256, 256))
        decoder, _ = shapes(refinement.decoder, torch.empty(1, 192, 64, 64))
        scores = model.networks["critic"](torch.empty(2, 3, 256, 256), torch.empty(2, 1, 256, 256))
    picture = [(48, 128), (48, 128), (24, 256), (12, 256), (3, 256)]
    assert coarse == [(24, 256), (48, 128), (48, 128)] + [(96, 64)] * 9 + picture
    assert conv == [(24, 256), (24, 128), (48, 128), (48, 64)] + [(96, 64)] * 6
    assert attention == [(24, 256), (24, 128), (48, 128), (96, 64), (96, 64), (96, 64)]
    assert decoder == [(96, 64), (96, 64), *picture]
    assert scores.shape == (2, 256, 4, 4)


def test_features_that_attention_compares_are_not_negative(params, four):
    image, hole = to_tensors(*four)
    drawn = made(params, "deepfill-v2", profile="tiny", size=64).generator(image * 2 - 1, hole)
    assert drawn.features.shape == (4, 32, 16, 16) and drawn.features.min() == 0 < drawn.features.max()
    assert drawn.offsets.shape == (4, 2, 8, 8)


def test_the_critics_convolutions_have_a_spectral_norm_of_one():
    torch.manual_seed(0)
    critic = Critic(CriticConfig(width=4, layers=3, leak=0.2, sees="hole", rate=1.0))
    for _ in range(60):  # each pass in training mode iterates the power method once
        critic(torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16))
    norms = [torch.linalg.matrix_norm(c.weight.flatten(1), 2).item() for c in critic if hasattr(c, "weight")]
    assert norms == pytest.approx([1.0] * 3, abs=1e-3)


@pytest.mark.parametrize("sees", ["hole", "ones"])
def test_what_the_critic_sees_beside_the_picture(sees):
    torch.manual_seed(0)
    critic = Critic(CriticConfig(width=2, layers=1, leak=0.25, sees=sees, rate=1.0)).eval()
    picture, hole = torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    hole[:, :, 2:5, 2:5] = 1
    plane = hole if sees == "hole" else torch.ones_like(hole)
    scores = conv2d(torch.cat([picture, plane], 1), critic[0].weight, critic[0].bias, stride=2, padding=2)
    assert torch.allclose(critic(picture, hole), torch.where(scores > 0, scores, scores / 4), atol=1e-6)


def test_the_losses_are_the_papers(params, four):
    """Hinge of the critic; l1 of both outputs over the whole picture; minus the mean score."""
    weights = {"coarse": 2.0, "refinement": 3.0, "adversarial": 0.25, "critic": 0.5}
    params["runs"]["deepfill-v2"]["settings"]["loss"] = weights
    params["runs"]["deepfill-v2"]["profiles"]["tiny"]["loss"] = weights
    model = made(params, "deepfill-v2", profile="tiny", size=64)
    image, hole = to_tensors(*four)
    answer = model.generator(image * 2 - 1, hole)
    model.generator.forward = lambda x, hole: answer._replace(x1=x + 0.25, x2=x - 0.5)
    critic = model.networks["critic"]
    nothing = 0 * critic[0].bias.sum()
    critic.judge = lambda real, fake, hole: (nothing + 0.4, nothing - 0.3)
    log = model.step(image, hole)
    assert log["critic"].item() == pytest.approx(0.6 + 0.7, rel=1e-6)
    assert log["l1_coarse"].item() == pytest.approx(0.25, rel=1e-5)
    assert log["l1_refined"].item() == pytest.approx(0.5, rel=1e-5)
    expected = 2 * 0.25 + 3 * 0.5 + 0.25 * log["adversarial"].item()
    assert log["generator"].item() == pytest.approx(expected, rel=1e-5)


def test_a_large_picture_passes_the_coarse_network_at_half_its_size(params):
    params["runs"]["deepfill-v2"]["profiles"]["tiny"]["generator"]["coarse_at_half_above"] = 64
    model = made(params, "deepfill-v2", profile="tiny", size=64)
    seen = []
    model.generator.coarse.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    for height, width, expected in ((64, 64, (64, 64)), (72, 40, (36, 20)), (40, 136, (20, 68))):
        x, hole = torch.rand(1, 3, height, width), torch.zeros(1, 1, height, width)
        hole[..., 8:24, 8:24] = 1
        with torch.no_grad():
            drawn = model.generator(x, hole)
        inputs, output = seen.pop()
        assert inputs.shape == (1, 5, *expected) and drawn.x1.shape == drawn.x2.shape == x.shape
        step = height // expected[0]
        assert torch.equal(inputs, torch.cat([x * (1 - hole), torch.ones_like(hole), hole], 1)[..., ::step, ::step])
        assert torch.equal(drawn.x1[..., ::step, ::step], output)
        assert torch.equal(drawn.x1[..., step - 1 :: step, step - 1 :: step], output)


def test_references_are_patches_that_attention_takes_for_known(params, four):
    model = made(params, "deepfill-v2", profile="tiny", size=64)
    image, hole = to_tensors(*four)
    with torch.no_grad():
        offsets = model.references(image, hole)
    own = torch.stack(torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij"))
    y, x = (offsets + own).unbind(1)
    assert y.min() >= 0 and x.min() >= 0 and y.max() < 8 and x.max() < 8
    free = torch.nn.functional.max_pool2d(hole[..., ::8, ::8], 3, 1, 1) == 0  # attention's own rule
    assert all(free[i, 0, y[i], x[i]].all() for i in range(4))
