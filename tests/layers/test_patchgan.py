import torch

from palimpsest.layers.patchgan import PatchCritic


def test_maps_of_five_layers():
    with torch.device("meta"):
        maps = PatchCritic(3, 64, bias=False)(torch.empty(2, 3, 256, 256))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (64, 128, 128),
        (128, 64, 64),
        (256, 32, 32),
        (512, 31, 31),
        (1, 30, 30),
    ]


def test_a_score_sees_seventy_pixels():
    torch.manual_seed(0)
    picture = torch.rand(1, 2, 128, 128, requires_grad=True)
    (gradient,) = torch.autograd.grad(PatchCritic(2, 4, bias=False)(picture)[-1][0, 0, 7, 7], picture)
    rows, columns = (gradient.abs().sum((0, 1, axis)).nonzero().flatten() for axis in (3, 2))
    assert len(rows) == len(columns) == 70 and rows.max() - rows.min() == 69


def test_maps_are_those_after_the_activation_and_scores_are_raw():
    torch.manual_seed(0)
    critic = PatchCritic(3, 4, bias=False).eval()
    picture = torch.rand(2, 3, 64, 64)
    maps = critic(picture)
    hidden = torch.nn.functional.conv2d(picture, critic[0][0].weight, stride=2, padding=1)
    torch.testing.assert_close(maps[0], torch.nn.functional.leaky_relu(hidden, 0.2))
    torch.testing.assert_close(maps[4], torch.nn.functional.conv2d(maps[3], critic[4][0].weight, padding=1))


def test_pictures_are_compared_in_one_pass():
    torch.manual_seed(0)
    critic = PatchCritic(3, 4, bias=False).eval()
    real, fake = torch.rand(2, 2, 3, 64, 64)
    for found, wanted in zip(critic.compare(real, fake), (critic(real)[-1], critic(fake)[-1]), strict=True):
        torch.testing.assert_close(found, wanted)


def test_biases_are_a_choice():
    with_bias, without = PatchCritic(3, 4, bias=True), PatchCritic(3, 4, bias=False)
    assert [key for key, _ in without.named_parameters() if "bias" in key] == []
    assert sum(value.numel() for key, value in with_bias.named_parameters() if "bias" in key) == 4 * (1 + 2 + 4 + 8) + 1
