"""DeepFill's released networks are ours: the same outputs from the same file, and others where a convention differs.

The conventions are those of the authors' code. How much each wrong one changes the output was measured in TensorFlow.
"""

from dataclasses import replace

import pytest
import torch

from building import as_stored, load_released
from palimpsest.released import read
from released.textbook_deepfill import (
    CRFILL,
    CRFILL_TWO_STAGE,
    MMAGIC,
    NIPPONJO_PT,
    NIPPONJO_TF,
    TENSORFLOW,
    Conventions,
    Textbook,
)

AS_TENSORFLOW = {"masking": "multiply", "overlap": "constant", "sampling": "aligned", "fuse": True}
AS_NIPPONJO_TF = AS_TENSORFLOW | {"sampling": "aligned-at-once", "fuse": False}
BLUE_FIRST = {"blue_first_in": True, "blue_first_out": True}
RELEASED = {
    "deepfill-v1": Conventions(TENSORFLOW, gated=False, padding="after", attention=AS_TENSORFLOW, **BLUE_FIRST),
    "deepfill-v2": Conventions(TENSORFLOW, padding="after", attention=AS_TENSORFLOW, **BLUE_FIRST),
    "deepfill-v2-nipponjo-tf": Conventions(NIPPONJO_TF, padding="after", attention=AS_NIPPONJO_TF),
    "deepfill-v2-nipponjo-pt": Conventions(NIPPONJO_PT, attention=AS_TENSORFLOW | {"sampling": "strided"}),
    "mmagic-deepfillv1": Conventions(
        MMAGIC,
        gated=False,
        padding="reflect",
        attention={"masking": "exclude", "overlap": "counted", "sampling": "strided", "fuse": True},
        **BLUE_FIRST,
    ),
    "crfill": Conventions(CRFILL),
    "crfill-twostage": Conventions(CRFILL_TWO_STAGE),
    "crfill-near512": Conventions(CRFILL, coarse_at_half=True),
}
STRIDED, NOT_FUSED = ({"attention": AS_TENSORFLOW | changes} for changes in ({"sampling": "strided"}, {"fuse": False}))
WRONG = [  # what TensorFlow measured, the largest difference on [-1, 1] with random weights
    ("deepfill-v1", {"padding": "alike"}, 0.40),
    ("deepfill-v1", {"blue_first_in": False}, 0.39),
    ("deepfill-v1", STRIDED, 0.22),
    ("deepfill-v1", NOT_FUSED, 0.15),
    ("deepfill-v2", {"padding": "alike"}, 0.46),
    ("deepfill-v2", {"blue_first_in": False}, 0.41),
    ("deepfill-v2", STRIDED, 0.28),
    ("deepfill-v2", NOT_FUSED, 0.16),
    ("deepfill-v2", {"gate_first": True}, 0.71),
]
FURTHER = [  # not measured there
    ("deepfill-v2-nipponjo-tf", {"attention": AS_NIPPONJO_TF | {"fuse": True}}),
    ("deepfill-v2-nipponjo-tf", {"attention": AS_NIPPONJO_TF | {"sampling": "aligned"}}),
    ("deepfill-v2-nipponjo-pt", {"attention": AS_TENSORFLOW}),
    ("deepfill-v2-nipponjo-pt", {"padding": "after"}),
    ("mmagic-deepfillv1", {"padding": "alike"}),
    ("mmagic-deepfillv1", {"blue_first_in": False}),
    ("crfill", {"gate_first": True}),
    ("crfill", {"attention": AS_TENSORFLOW}),
    ("crfill", {"coarse_at_half": True}),
    ("crfill-near512", {"coarse_at_half": False}),
]


def outputs(params, name, conventions, height, width):
    """Our network's and the textbook's, of both stages, with weights that let a signal through all layers."""
    for run in ("deepfill-v2", "crfill"):
        params["runs"][run]["settings"]["generator"]["width"] = 8
    params["runs"]["deepfill-v1"]["settings"]["width"] = 8
    model, state = as_stored(params, name)
    generator = torch.Generator().manual_seed(0)
    for key, value in state.items():
        channels = value.shape[-1] if key.endswith("kernel") else value.shape[0]
        gain = 2.0 if conventions.gated else 1.0  # a gate is half open
        deviation = gain * (channels / value.numel()) ** 0.5 if value.ndim > 1 else 0.1
        value.normal_(std=deviation, generator=generator)
    load_released(model, name, state)
    x, hole = torch.rand(1, 3, height, width, generator=generator) * 2 - 1, torch.zeros(1, 1, height, width)
    hole[..., 18:45, 21:43], hole[..., 52:60, :9] = 1, 1
    x, hole = x.double(), hole.double()
    found = model.networks.double()["generator"](x, hole)[:2]
    return found, Textbook(conventions, {key: value.double() for key, value in state.items()})(x, hole)


@pytest.mark.parametrize("height, width", [(64, 64), (96, 128)])
@pytest.mark.parametrize("name", RELEASED)
def test_a_released_file_fills_as_its_own_code_does(params, name, height, width):
    height = 72 if (name, height) == ("mmagic-deepfillv1", 64) else height  # 16 px are reflected at a quarter of it
    width = max(width, height)
    for found, wanted in zip(*outputs(params, name, RELEASED[name], height, width), strict=True):
        assert wanted.std() > 0.05
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name, changes, stated", [*WRONG, *((*each, 0.1) for each in FURTHER)])
def test_a_wrong_convention_would_be_seen(params, name, changes, stated):
    height = 72 if name == "mmagic-deepfillv1" else 64
    found, other = outputs(params, name, replace(RELEASED[name], **changes), height, height)
    assert (found[1] - other[1]).abs().max() > 0.1 * stated


@pytest.mark.parametrize("name", ["deepfill-v1", "deepfill-v2"])
def test_training_state_and_critics_are_left_out(name):
    layout = read(name)
    others = ["discriminator/discriminator_local/conv1/kernel", "discriminator/sn_patch_gan/conv6/kernel_sn/u"]
    others += ["inpaint_net/conv1/bias/Adam", "inpaint_net/conv1/kernel/Adam_1", "beta1_power", "lr", "global_step"]
    assert [layout.place(key) for key in others] == [None] * len(others)


def test_the_auxiliary_network_of_crfill_is_left_out():
    layout = read("crfill-twostage")
    others = ["sconv1.weight", "bconv4_downsample.bias", "conv13_upsample_conv.weight", "conv16_2.bias", "conv17.bias"]
    assert [layout.place(key) for key in others] == [None] * len(others)
