import pytest
import torch
from torch.nn.functional import conv2d, pad

from palimpsest.layers.sn_patchgan import Critic, CriticConfig


def critic(**changes):
    torch.manual_seed(0)
    config = {"width": 2, "layers": 1, "leak": 0.25, "padding": "zeros", "sees": "hole", "rate": 1.0}
    return Critic(CriticConfig(**config | changes))


def test_a_score_for_every_patch_and_feature():
    with torch.device("meta"):
        scores = critic(width=64, layers=6)(torch.empty(2, 3, 256, 256), torch.empty(2, 1, 256, 256))
    assert scores.shape == (2, 256, 4, 4)


def test_its_convolutions_have_a_spectral_norm_of_one():
    made = critic(width=4, layers=3)
    for _ in range(60):  # each pass in training mode iterates the power method once
        made(torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16))
    norms = [torch.linalg.matrix_norm(c.weight.flatten(1), 2).item() for c in made if hasattr(c, "weight")]
    assert norms == pytest.approx([1.0] * 3, abs=1e-3)


@pytest.mark.parametrize("sees", ["hole", "ones"])
@pytest.mark.parametrize("padding, margins", [("zeros", (2, 2, 2, 2)), ("tensorflow", (1, 2, 1, 2))])
def test_what_it_sees_beside_the_picture_and_beyond_it(sees, padding, margins):
    made = critic(sees=sees, padding=padding).eval()
    picture, hole = torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    hole[:, :, 2:5, 2:5] = 1
    plane = hole if sees == "hole" else torch.ones_like(hole)
    scores = conv2d(pad(torch.cat([picture, plane], 1), margins), made[0].weight, made[0].bias, stride=2)
    assert torch.allclose(made(picture, hole), torch.where(scores > 0, scores, scores / 4), atol=1e-6)


def test_real_and_fake_are_scored_in_one_pass():
    made = critic().eval()
    (real, fake), hole = torch.rand(2, 2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    passes = []
    made.register_forward_hook(lambda *_: passes.append(1))
    scores = made.compare(real, fake, hole)
    assert len(passes) == 1
    torch.testing.assert_close(scores, (made(real, hole), made(fake, hole)))
