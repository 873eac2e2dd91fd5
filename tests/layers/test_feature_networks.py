"""The feature networks are those of their packages, named as their papers name their layers."""

import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn

from palimpsest.config.yaml import InputError
from palimpsest.layers.feature_networks import Trunk, inception, lpips_network, vgg


@pytest.fixture(scope="module")
def vgg16(weights_folder) -> Trunk:
    return vgg(weights_folder, "vgg16")


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def frozen(network: nn.Module) -> bool:
    """In eval mode, on a real device, float32, without gradients."""
    values = list(network.state_dict().values())
    assert values and not any(value.is_meta for value in values)
    assert {value.dtype for value in values if value.is_floating_point()} == {torch.float32}
    return not network.training and not any(value.requires_grad for value in network.parameters())


def test_building_a_network_draws_no_random_number(folder_with_inception):
    before = torch.get_rng_state()
    lpips_network(folder_with_inception, "alex")
    vgg(folder_with_inception, "vgg16")
    inception(folder_with_inception)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips_is_built_in_silence_and_frozen(weights_folder, net, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = lpips_network(weights_folder, net)
    assert capfd.readouterr() == ("", "")
    assert frozen(network)
    assert network.version == "0.1" and network.scaling_layer.shift.flatten().tolist() == pytest.approx(
        [-0.030, -0.088, -0.188]
    )


def test_lpips_heads_are_those_of_the_package(weights_folder):
    import lpips

    network = lpips_network(weights_folder, "alex")
    # without its trunk the package loads its own heads
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        packaged = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    for ours, theirs in zip(network.lins, packaged.lins, strict=True):
        assert torch.equal(ours.model[1].weight, theirs.model[1].weight)
        assert ours.model[1].weight.min() >= 0  # Zhang et al. 2018: weights are projected to be non-negative


def test_pixels_of_any_scale_are_one_unit_apart_for_vgg_as_for_lpips(weights_folder, vgg16):
    """(x - mean) / deviation on [0, 1] is LPIPS' scaling on [-1, 1], so both trunks see the same."""
    network, x = lpips_network(weights_folder, "vgg"), image(2, 3, 32, 48)
    theirs = network.net(network.scaling_layer(2 * x - 1))
    names = ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]
    for name, ours in vgg16(x, names).items():
        expected = getattr(theirs, name)
        assert ours.shape == expected.shape
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4 * expected.max().item())


def test_every_layer_has_the_name_the_papers_give_it(vgg16):
    expected = []
    for block, convolutions in enumerate((2, 2, 3, 3, 3), 1):
        for number in range(1, convolutions + 1):
            expected += [f"conv{block}_{number}", f"relu{block}_{number}"]
        expected.append(f"pool{block}")
    assert vgg16.names == expected


def test_vgg19_has_sixteen_convolutions():
    from torchvision import models

    with torch.device("meta"):
        names = Trunk(models.vgg19().features).names
    assert len([name for name in names if name.startswith("conv")]) == 16
    assert {"conv3_4", "relu4_4", "conv5_4"} <= set(names)


def test_a_map_before_its_relu_keeps_its_negative_values(vgg16):
    maps = vgg16(image(1, 3, 32, 32), ["relu5_3", "conv5_3", "pool4"])
    assert list(maps) == ["relu5_3", "conv5_3", "pool4"]
    assert maps["conv5_3"].min() < 0
    assert torch.equal(maps["relu5_3"], maps["conv5_3"].relu())
    assert maps["conv5_3"].shape == (1, 512, 2, 2)


def test_gradients_reach_the_picture_and_not_the_weights(vgg16):
    x = image(1, 3, 16, 16).requires_grad_()
    vgg16(x, ["conv3_1"])["conv3_1"].square().mean().backward()
    assert x.grad.abs().max() > 0
    assert frozen(vgg16) and all(value.grad is None for value in vgg16.parameters())


def test_a_wrong_layer_or_too_small_a_picture_is_refused(vgg16):
    with pytest.raises(InputError, match=r"layer relu6_1 of VGG; accepted: relu5_1, .* in all"):
        vgg16(image(1, 3, 32, 32), ["relu1_1", "relu6_1"])
    with pytest.raises(InputError, match=r"conv5_1 of VGG, found 16 x 15 px; accepted: 16 px or more"):
        vgg16(image(1, 3, 15, 16), ["conv5_1"])
    assert vgg16(image(1, 3, 16, 16), ["conv5_1"])["conv5_1"].shape == (1, 512, 1, 1)
    assert vgg16(image(1, 3, 32, 32), ["pool5"])["pool5"].shape == (1, 512, 1, 1)


def test_missing_weights_are_named(weights_folder):
    with pytest.raises(InputError, match="weights of vgg19, which are missing"):
        vgg(weights_folder, "vgg19")
    with pytest.raises(InputError, match="weights of inception, which are missing"):
        inception(weights_folder)


def test_inception_takes_the_weights_it_is_given(folder_with_inception, random_inception):
    network = inception(folder_with_inception)
    assert frozen(network)
    expected = torch.load(random_inception, weights_only=True)
    assert torch.equal(network.blocks[0][0].conv.weight, expected["Conv2d_1a_3x3.conv.weight"])
    assert torch.equal(network.blocks[3][2].branch_pool.conv.weight, expected["Mixed_7c.branch_pool.conv.weight"])
    with torch.inference_mode():
        features = network(image(1, 3, 20, 30))
    assert [tuple(each.shape) for each in features] == [(1, 2048, 1, 1)]
    assert features[0].std() > 0.01


FRESH = "import torch\n{before}\nfrom palimpsest.layers import torchvision_operators as ours\n{after}\nprint('done')"
AS_DECLARED = """
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.impl("nms", lambda dets, scores, iou_threshold: scores + 1, "CPU")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "import torchvision; torchvision.models.vgg11"),
        ("", "import sys; ours.load(); import torchvision, lpips; assert 'torch._dynamo' not in sys.modules"),
        (
            "",
            "ours.load(); import torch._dynamo; assert torch._dynamo.utils.is_compile_supported is not None; "
            "assert torch._dynamo.config and torch.compile(lambda x: x + 1, backend='eager')(torch.ones(1)) == 2",
        ),
        ("", "import lpips, pytorch_fid.inception"),
        # operators that are there stay as they are, and work
        (
            AS_DECLARED,
            "assert ours.LIBRARY is None; x = torch.ones(1); assert torch.ops.torchvision.nms(x, x, 0.5) == 2",
        ),
    ],
)
def test_torchvision_is_importable_and_its_own_operators_are_left_alone(before, after):
    code = FRESH.format(before=before, after=after)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout == "done\n", run.stderr
