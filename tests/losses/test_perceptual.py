import pytest
import torch
from torch.nn.functional import l1_loss

from palimpsest.layers.feature_networks import perceptual
from palimpsest.losses.perceptual import (
    gram,
    perceptual_and_style_l1,
    perceptual_and_style_l2,
    perceptual_l1,
    style_loss,
)

LAYERS = ("relu1_1", "conv3_1")


def pictures(seed):
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_sum_of_the_layers_mean_differences(features):
    trunk, one, other = perceptual(features), pictures(0), pictures(1)
    wanted = sum(l1_loss(trunk(one, [name])[name], trunk(other, [name])[name]).item() for name in LAYERS)
    assert wanted > 0
    assert perceptual_l1(one, other, LAYERS).item() == pytest.approx(wanted, rel=1e-5)
    assert perceptual_l1(one, one, LAYERS).item() == 0


def test_the_prediction_alone_has_a_gradient(features):
    one, other = pictures(0).requires_grad_(), pictures(1).requires_grad_()
    perceptual_l1(one, other, LAYERS).backward()
    assert one.grad.abs().sum() > 0
    assert other.grad is None


def test_gram_matrices_are_products_of_channels():
    """Johnson et al. 2016, equation 3: of two constant channels 2 and 3, 4, 6 and 9 over the number of channels."""
    maps = torch.tensor([2.0, 3.0]).view(1, 2, 1, 1).expand(1, 2, 5, 4)
    assert gram(maps)[0].flatten().tolist() == pytest.approx([2, 3, 3, 4.5])
    found = pictures(2)
    wanted = torch.einsum("bchw,bdhw->bcd", found, found) / (3 * 32 * 32)
    torch.testing.assert_close(gram(found), wanted)


def test_the_style_loss_is_the_squared_distance_of_the_gram_matrices(features):
    trunk, one, other = perceptual(features), pictures(0), pictures(1)
    wanted = 0.0
    for name in LAYERS:
        difference = gram(trunk(one, [name])[name]) - gram(trunk(other, [name])[name])
        wanted += difference.double().norm(dim=(1, 2)).square().mean().item()
    assert style_loss(one, other, LAYERS).item() == pytest.approx(wanted, rel=1e-3) and wanted > 0
    assert style_loss(one, one, LAYERS).item() == 0


def test_gram_matrices_ignore_where_features_lie():
    one = pictures(0)
    torch.testing.assert_close(gram(one.flip(3)), gram(one))


def test_vgg16s_last_convolution_of_a_block_stands_in_for_vgg19s(features):
    assert perceptual_l1(pictures(0), pictures(1), ["relu3_4"]) == perceptual_l1(pictures(0), pictures(1), ["relu3_3"])


def test_perceptual_and_style_losses_come_from_one_pass_for_several_predictions(features):
    trunk, image, predictions = perceptual(features), pictures(0), [pictures(1), pictures(2).requires_grad_()]
    found = perceptual_and_style_l1(predictions, image, LAYERS)
    maps = [[trunk(picture, LAYERS)[name] for name in LAYERS] for picture in (image, *predictions)]
    wanted = [
        sum(
            l1_loss(kind(one), kind(other)).item()
            for other in maps[1:]
            for one, other in zip(maps[0], other, strict=True)
        )
        for kind in (lambda x: x, gram)
    ]
    assert [loss.item() for loss in found] == pytest.approx(wanted, rel=1e-5)
    sum(found).backward()
    assert predictions[1].grad.abs().sum() > 0


def test_squared_losses_are_means_over_layers_and_sums_over_predictions(features):
    trunk, image, predictions = perceptual(features), pictures(0), [pictures(1), pictures(2)]
    content = style = 0.0
    for name in LAYERS:
        wanted = trunk(image, [name])[name]
        for found in (trunk(prediction, [name])[name] for prediction in predictions):
            content += (found - wanted).square().mean().item() / len(LAYERS)
            distance = (gram(found) - gram(wanted)).double().norm(dim=(1, 2)).square().mean().item()
            style += distance / wanted[0].numel() / len(LAYERS)
    found = perceptual_and_style_l2(predictions, image, LAYERS)
    assert [loss.item() for loss in found] == pytest.approx([content, style], rel=1e-3)
    assert content > 0 and style > 0
