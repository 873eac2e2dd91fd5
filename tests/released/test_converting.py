"""Released tensors become ours and ours become released ones, and what does not fit is refused by its released key."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from building import as_stored, load_released, numbered
from palimpsest.config.yaml import InputError
from palimpsest.released import available, read
from palimpsest.released.converting import held, right_vector, to_ours, to_released


@pytest.mark.parametrize("name", available())
def test_every_key_and_every_tensor_goes_there_and_back(params, name):
    layout, ours = read(name), numbered(params, name)
    theirs = to_released(layout, ours, layout.keys())
    assert {key: tuple(value.shape) for key, value in theirs.items()} == layout.keys()
    back = to_ours(layout, theirs, ours, "theirs.pth")
    assert list(back) == list(ours) and all(torch.equal(back[key], value) for key, value in ours.items())
    assert all(value.is_contiguous() for value in (theirs | back).values())


@pytest.fixture
def file(params):
    """A small file with spectral normalisation, one key of which holds the same tensor as another."""
    layout, ours = read("edgeconnect-edge-discriminator"), numbered(params, "edgeconnect-edge-discriminator")
    return layout, to_released(layout, ours, layout.keys()), ours


def refused(file, message):
    with pytest.raises(InputError) as error:
        to_ours(*file, "theirs.pth")
    accepted = "accepted: the tensors of edgeconnect-edge-discriminator, by knazeri/edge-connect"
    assert str(error.value) == f"theirs.pth: {message}; {accepted}"


def test_a_missing_and_a_left_over_key(file):
    _, theirs, _ = file
    del theirs["conv3.0.weight_orig"], theirs["conv4.0.weight_u"]
    theirs |= {f"conv6.{i}.weight": torch.zeros(1) for i in range(7)}
    others = ", ".join(f"conv6.{i}.weight" for i in range(3))
    refused(file, f"7 left over: {others}, …; 2 missing: conv3.0.weight_orig, conv4.0.weight_u")


@pytest.mark.parametrize(
    "value, fault, detail",
    [
        (torch.zeros(64, 2, 3, 3), "of another shape", " (64x2x3x3 here, 64x2x4x4 accepted)"),
        (torch.zeros(64), "of another shape", " (64 here, 64x2x4x4 accepted)"),
        (torch.zeros(64, 2, 4, 4, dtype=torch.int64), "of another type", " (int64)"),
        (torch.full((64, 2, 4, 4), torch.nan), "not finite", ""),
        (torch.full((64, 2, 4, 4), 1e300, dtype=torch.float64), "not finite", ""),
    ],
)
def test_a_tensor_that_does_not_fit(file, value, fault, detail):
    file[1]["conv1.0.weight_orig"] = file[1]["features.0.weight_orig"] = value
    refused(file, f"2 {fault}: conv1.0.weight_orig{detail}, features.0.weight_orig{detail}")


def test_two_copies_of_one_tensor_must_be_alike_and_one_is_enough(file):
    layout, theirs, ours = file
    alone = {key: value for key, value in theirs.items() if "features" not in key}
    assert all(torch.equal(value, ours[key]) for key, value in to_ours(layout, alone, ours, "").items())
    theirs["features.0.weight_u"] = theirs["features.0.weight_u"] + 1
    refused(file, "1 unlike another copy: features.0.weight_u")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_point_types_are_converted(file, dtype):
    layout, theirs, ours = file
    few = {key: value.remainder(64).to(dtype) for key, value in theirs.items()}
    found = to_ours(layout, few, ours, "")
    assert all(value.dtype == torch.float32 for value in found.values())
    assert all(torch.equal(value, ours[key].remainder(64)) for key, value in found.items())


def test_the_prefix_of_data_parallel_modules_is_left_out_if_all_keys_have_it(file):
    layout, theirs, ours = file
    all_of_them = {f"module.{key}": value for key, value in theirs.items()}
    assert all(torch.equal(value, ours[key]) for key, value in to_ours(layout, all_of_them, ours, "").items())
    theirs["module.conv2.0.weight_orig"] = theirs.pop("conv2.0.weight_orig")
    refused(file, "1 left over: module.conv2.0.weight_orig; 1 missing: conv2.0.weight_orig")


def test_released_keys_keep_that_prefix(params):
    layout, ours = read("picnet-D"), numbered(params, "picnet-D")
    theirs = to_released(layout, ours, layout.keys())
    without = {key.removeprefix("module."): value for key, value in theirs.items()}
    assert all(key.startswith("module.") for key in theirs)
    assert all(torch.equal(value, ours[key]) for key, value in to_ours(layout, without, ours, "").items())


def test_counts_of_batches_may_be_absent(params):
    layout, ours = read("gl-otenim"), numbered(params, "gl-otenim")
    theirs = to_released(layout, ours, layout.keys())
    counts = [key for key in theirs if key.endswith("num_batches_tracked")]
    assert len(counts) == 16 and all(theirs.pop(key) == 0 for key in counts)
    assert to_ours(layout, theirs, ours, "").keys() == ours.keys()


@pytest.mark.parametrize("conv", [nn.Conv2d(3, 8, 4), nn.ConvTranspose2d(3, 8, 4)])
def test_an_absent_right_vector_is_that_of_the_left_one(conv):
    torch.manual_seed(0)
    layer = spectral_norm(conv, n_power_iterations=30)
    layer(torch.randn(1, 3, 8, 8))
    held = layer.eval().parametrizations.weight
    found = right_vector(held[0]._u, held.original.detach())
    torch.testing.assert_close(found, held[0]._v, atol=1e-4, rtol=0)


def test_a_file_without_right_vectors_computes_the_same(params):
    model, theirs = as_stored(params, "pennet-discriminator", 64)
    critic, x = model.networks["critic"], torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    wanted = critic(x)
    theirs = {key: value for key, value in theirs.items() if not key.endswith("weight_v")}
    for value in critic.buffers():
        value.fill_(1)
    load_released(model, "pennet-discriminator", theirs)
    torch.testing.assert_close(critic(x), wanted, atol=0, rtol=1e-2)  # fifteen power iterations leave a gap


def test_masks_of_ones_are_written_and_must_be_ones(params):
    layout, ours = read("pconv"), numbered(params, "pconv")
    theirs = to_released(layout, ours, layout.keys())
    masks = [key for key in theirs if key.endswith("mask_conv.weight")]
    assert len(masks) == 14 and all((theirs[key] == 1).all() for key in masks)
    theirs[masks[3]][0, 0, 0, 0] = 0
    with pytest.raises(
        InputError, match=f"theirs.pth: 1 not ones: {masks[3]}; accepted: the tensors of pconv, by naoto"
    ):
        to_ours(layout, theirs, ours, "theirs.pth")


def test_a_kernel_of_tensorflow_has_its_axes_in_another_order(params):
    layout, ours = read("hifill-places2"), numbered(params, "hifill-places2")
    theirs = to_released(layout, ours, layout.keys())
    kernel = theirs["generator/re_de_conv_128/w"]
    mine = ours["generator.refinement.decoder.0.enlarged.1.features.weight"]
    assert kernel[2, 1, 5, 7] == mine[7, 5, 2, 1]
    dense, mine = theirs["discriminator/linear/kernel"], ours["critic.7.weight"]
    assert dense[(3 * 8 + 5) * 256 + 70, 0] == mine[0, (70 * 8 + 3) * 8 + 5]


def test_a_narrower_network_is_not_written_as_the_released_one(params):
    layout, ours = read("hifill-places2"), numbered(params, "hifill-places2")
    ours["generator.coarse.encoder.0.features.bias"] = torch.zeros(8)
    message = "hifill-places2: generator/c_en_down_128_feat/biases would have the shape 8; accepted: 32, as released"
    with pytest.raises(InputError, match=message):
        to_released(layout, ours, layout.keys())


def test_tensors_of_other_networks_are_left_out(params):
    model, _ = as_stored(params, "pennet-discriminator", 64)
    assert {key.split(".")[0] for key in held(read("pennet-discriminator"), model.networks)} == {"critic"}
