"""The machine-checkable facts of PConv at paper scale, and what its losses and its two phases promise."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, interpolate, leaky_relu

from building import as_released, enliven, made, together
from layers.textbook_partial_convolution import textbook_partial_conv
from palimpsest.config import runs
from palimpsest.config.yaml import InputError, merge
from palimpsest.evaluation.counting import count_parameters
from palimpsest.inpainting import to_tensors
from palimpsest.layers.partial_convolution import Stream
from palimpsest.learning.schedule import Phase
from palimpsest.losses.perceptual import perceptual_and_style_l1
from palimpsest.models import create, without_values
from palimpsest.models.pconv import FEATURES

TRAINING, FINE_TUNING = (Phase(name=name, iterations=1, learning_rate=1e-3) for name in ("training", "fine-tuning"))


def changed(params, profile, size, **changes):
    run = runs.resolve(params, "pconv", profile)
    torch.manual_seed(0)
    return create(replace(run, settings=merge(run.settings, changes, run.at)), size)


@pytest.mark.parametrize(
    ("levels", "size", "parameters"), [(7, 256, 25_779_796), (8, 512, 32_859_732), (6, 128, 18_699_860)]
)
def test_parameters_by_levels(params, levels, size, parameters):
    with without_values():
        assert count_parameters(changed(params, "paper", size, levels=levels))["generator"] == parameters


def test_shapes_of_all_levels(params):
    with torch.device("meta"):
        generator = made(params, "pconv").generator
        streams = generator.encoder(Stream(torch.empty(2, 3, 256, 256), torch.empty(2, 1, 256, 256)))
        sizes = [(stream.features.shape[1], stream.features.shape[2]) for stream in streams]
        assert sizes == [(64, 128), (128, 64), (256, 32), (512, 16), (512, 8), (512, 4), (512, 2)]
        assert all(stream.valid.shape == (2, 1, *stream.features.shape[2:]) for stream in streams)
        assert generator(torch.empty(2, 3, 256, 256), torch.empty(2, 1, 256, 256)).shape == (2, 3, 256, 256)


def textbook(state, name, x, valid, normalisation, stride, slope):
    """A layer by the names of a released file's keys, without its activation if `slope` is 1."""
    weight = next(value for key, value in state.items() if key.startswith(f"{name}.conv.") and value.ndim == 4)
    bias = next((value for key, value in state.items() if key.startswith(f"{name}.conv.") and value.ndim == 1), None)
    x, valid = textbook_partial_conv(x, valid, weight, bias, stride, normalisation)
    if f"{name}.bn.weight" in state:
        parts = ("running_mean", "running_var", "weight", "bias")
        x = batch_norm(x, *(state[f"{name}.bn.{part}"] for part in parts), eps=1e-5)
    return leaky_relu(x, slope), valid


def released_code(state, encoder, decoder, x, hole, normalisation):
    """Colours stay those of x; the masks have three channels."""
    levels = [(x * (1 - hole), (1 - hole).expand_as(x))]
    for level in range(1, 8):
        levels.append(textbook(state, f"{encoder}{level}", *levels[-1], normalisation, stride=2, slope=0.0))
    below = levels.pop()
    for level in range(7, 0, -1):
        joined = [torch.cat([interpolate(a, scale_factor=2), b], 1) for a, b in zip(below, levels.pop(), strict=True)]
        slope = 0.2 if level > 1 else 1.0
        below = textbook(state, f"{decoder}{level}", *joined, normalisation, stride=1, slope=slope)
    return below[0]


@pytest.mark.parametrize(
    ("name", "encoder", "decoder", "normalisation", "mean", "deviation"),
    [
        ("pconv", "enc_", "dec_", "sum", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("mmagic-pconv", "generator.encoder.enc", "generator.decoder.dec", "ratio", (0.5,) * 3, (0.5,) * 3),
    ],
)
def test_a_released_state_fills_as_its_own_code_does(
    params, four, name, encoder, decoder, normalisation, mean, deviation
):
    params["runs"]["pconv"]["settings"]["width"] = 8
    model, state = as_released(params, name)
    enliven(state)
    for value in state.values():
        if value.ndim == 4 and normalisation == "sum":
            value.mul_(value[0].numel())
    image, hole = (torch.cat([part, part.flip(3)], 3) for part in together(four))
    mean, deviation = (torch.tensor(value)[:, None, None] for value in (mean, deviation))

    x = (image - mean) / deviation
    next(value for key, value in state.items() if key.startswith(f"{decoder}1.conv.") and value.ndim == 4).div_(
        released_code(state, encoder, decoder, x, hole, normalisation).std()  # else most of the output is clipped
    )

    def filled(normalisation):
        output = released_code(state, encoder, decoder, x, hole, normalisation)
        return (output * deviation + mean).clamp(0, 1)

    wanted = filled(normalisation)
    assert wanted.std() > 0.05
    torch.testing.assert_close(model.inpaint(image, hole), wanted, atol=1e-5, rtol=0)
    assert torch.equal(model.inpaint(torch.where(hole > 0, 1 - image, image), hole), model.inpaint(image, hole))
    other = filled("ratio" if normalisation == "sum" else "sum").nan_to_num()
    assert (other - wanted).abs().max() > 0.01
    model.config = model.config.model_copy(update={"colours": "signed" if name == "pconv" else "imagenet"})
    assert (model.inpaint(image, hole) - wanted).abs().max() > 0.01


def statistics(model, network):
    norms = [m for m in getattr(model.generator, network).modules() if isinstance(m, nn.BatchNorm2d)]
    return [value.clone() for norm in norms for value in (norm.running_mean, norm.running_var)]


def test_fine_tuning_keeps_the_encoders_statistics_and_trains_everything(params, four):
    model = made(params, "pconv", "tiny", 64)
    model.networks.train()
    for phase, changes in ((TRAINING, True), (FINE_TUNING, False)):
        model.begin(phase)
        model.networks.eval()
        model.networks.train()  # as after a sample grid
        before, weights = statistics(model, "encoder"), [value.clone() for value in model.generator.parameters()]
        decoder = statistics(model, "decoder")
        model.step(*to_tensors(*four))
        after = statistics(model, "encoder")
        assert all(torch.equal(*pair) != changes for pair in zip(before, after, strict=True))
        assert not any(torch.equal(*pair) for pair in zip(decoder, statistics(model, "decoder"), strict=True))
        assert not any(torch.equal(*pair) for pair in zip(weights, model.generator.parameters(), strict=True))


def test_the_terms_are_those_of_section_3_3(params, four, features):
    model = changed(params, "tiny", 64, loss={"perceptual": 0.05, "style": 120.0})
    image, hole = to_tensors(*four)
    x = model.coloured(image)
    output = x + torch.where(hole > 0, 0.25, 0.5)
    found = model.terms(output, x, image, hole)
    assert found["known"].item() == pytest.approx(0.5 * (1 - hole).mean().item(), rel=1e-5)
    assert found["hole"].item() == pytest.approx(0.25 * hole.mean().item(), rel=1e-5)
    result = torch.where(hole > 0, output, x)
    assert torch.allclose(model.coloured(model.picture(x)), x, atol=1e-5)
    perceptual, style = perceptual_and_style_l1((model.picture(output), model.picture(result)), image, FEATURES)
    assert found["perceptual"].item() == pytest.approx(perceptual.item(), rel=1e-4) and perceptual > 0
    assert found["style"].item() == pytest.approx(style.item(), rel=1e-4) and style > 0


def test_without_their_weights_features_are_not_read(params, four):
    model = changed(params, "tiny", 64, loss={"perceptual": 0.0, "style": 0.0})
    assert not model.config.loss.read_features and made(params, "pconv", "paper").config.loss.read_features
    model.begin(TRAINING)
    assert set(model.step(*to_tensors(*four))) == {"known", "hole", "total_variation", "generator"}


def test_the_loss_is_equation_7(params, four, features):
    weights = {"known": 1.0, "hole": 6.0, "perceptual": 0.05, "style": 120.0, "total_variation": 0.1}
    model = changed(params, "tiny", 64, loss=weights)
    assert made(params, "pconv").config.loss.model_dump() == weights
    model.begin(TRAINING)
    log = model.step(*to_tensors(*four))
    assert log["generator"].item() == pytest.approx(sum(weights[name] * log[name].item() for name in weights), rel=1e-5)


@pytest.mark.parametrize("size", [48, 32, 80])
def test_pictures_that_the_levels_cannot_halve_are_refused(params, size):
    with pytest.raises(InputError, match=f"levels is 5 for pictures of {size} px; accepted: multiples of 32 px, from"):
        made(params, "pconv", "tiny", size)


def test_a_phase_of_another_name_is_refused(params):
    phases = [{"name": "tuning", "iterations": 1, "learning_rate": 0.1}]
    with pytest.raises(InputError, match=r"schedule\.phases\.0\.name: found 'tuning'; accepted: training, fine-tuning"):
        changed(params, "tiny", 64, schedule={"phases": phases})
