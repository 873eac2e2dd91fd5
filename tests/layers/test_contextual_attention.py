"""Contextual attention equals its textbook form, and checks A10 to A17 of the sheet of four papers."""

import itertools

import pytest
import torch

from layers.textbook_attention import sampled, textbook_attention
from palimpsest.layers import contextual_attention as module
from palimpsest.layers.contextual_attention import (
    ContextualAttention,
    Matching,
    Options,
    attention,
    attention_weights,
    contextual_attention,
    patch_sum,
)
from palimpsest.layers.pasting import Canvas

SWITCHES = [
    dict(zip(("fuse", "masking", "overlap", "normalise_foreground"), values, strict=True))
    for values in itertools.product((False, True), ("exclude", "multiply"), ("counted", "constant"), (False, True))
]
ONE_CHUNK = 10**9
SMALLEST_CHUNKS = 1


def random_features(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    """Different foreground and background (B, C, H, W), and holes of scattered pixels (B, 1, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    foreground, background = torch.randn(2, *shape, generator=generator, dtype=dtype)
    hole = torch.rand(shape[0], 1, *shape[2:], generator=generator) < 0.04
    return foreground, background, hole.to(dtype)


def centred_hole(size: int, side: int) -> torch.Tensor:
    hole = torch.zeros(1, 1, size, size)
    margin = (size - side) // 2
    hole[..., margin : size - margin, margin : size - margin] = 1
    return hole


@pytest.fixture
def chunks_of_one_row(monkeypatch):
    monkeypatch.setattr(module, "FEWEST_ROWS", 1)


@pytest.mark.parametrize("softmax_scale", [0.1, 10.0])
@pytest.mark.parametrize("switches", SWITCHES, ids=lambda switches: "-".join(map(str, switches.values())))
def test_equals_the_textbook_form(switches, softmax_scale):
    features = random_features(2, 5, 10, 14)
    output, offsets = contextual_attention(*features, softmax_scale=softmax_scale, **switches)
    expected, expected_offsets = textbook_attention(*features, softmax_scale=softmax_scale, **switches)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)
    assert torch.equal(offsets, expected_offsets)


@pytest.mark.parametrize("height, width", [(2, 2), (2, 6), (6, 2), (4, 18), (22, 6)])
@pytest.mark.parametrize("fuse", [True, False])
def test_equals_the_textbook_form_at_odd_sizes(height, width, fuse):
    features = random_features(1, 3, height, width)
    output, _ = contextual_attention(*features, softmax_scale=0.1, fuse=fuse)
    expected, _ = textbook_attention(*features, softmax_scale=0.1, fuse=fuse)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)


def test_equals_the_textbook_form_at_rate_4():
    features = random_features(2, 3, 20, 12)
    output, offsets = contextual_attention(*features, rate=4, softmax_scale=0.1)
    expected, expected_offsets = textbook_attention(*features, rate=4, softmax_scale=0.1)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)
    assert torch.equal(offsets, expected_offsets)


@pytest.mark.parametrize("height, width, rate", [(10, 14, 2), (16, 8, 2), (20, 12, 4), (2, 6, 2)])
def test_aligned_sampling_equals_the_textbook_form(height, width, rate):
    features = random_features(2, 3, height, width)
    switches = {"rate": rate, "softmax_scale": 0.1, "sampling": "aligned"}
    output, offsets = contextual_attention(*features, **switches)
    expected, expected_offsets = textbook_attention(*features, **switches)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)
    assert torch.equal(offsets, expected_offsets)
    if height // rate > 2:
        strided, _ = contextual_attention(*features, **switches | {"sampling": "strided"})
        assert (output - strided).abs().max() > 0.01


@pytest.mark.parametrize("sampling", ["strided", "aligned", "aligned-at-once"])
def test_the_layer_reduces_the_pictures_hole_to_its_features(sampling):
    features, _, _ = random_features(2, 4, 16, 24)
    hole = (torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(1)) < 0.05).float()
    switches = {"fuse": True, "masking": "multiply", "overlap": "constant", "normalise_foreground": False}
    switches["sampling"] = sampling
    options = Options(softmax_scale=10.0, **switches)
    found = ContextualAttention(options)(features, hole)
    seen = hole if sampling == "aligned-at-once" else sampled(hole, 4, sampling)
    wanted = textbook_attention(features, features, seen, **switches)
    torch.testing.assert_close(found[0], wanted[0], rtol=0, atol=1e-4)
    assert torch.equal(found[1], wanted[1])
    for other in {"strided", "aligned", "aligned-at-once"} - {sampling}:
        changed = ContextualAttention(options.model_copy(update={"sampling": other}))(features, hole)
        assert (changed[0] - found[0]).abs().max() > 0.01


@pytest.mark.parametrize("chunk_bytes", [SMALLEST_CHUNKS, 7 * 2 * 77 * 4, 7 * 5 * 77 * 4, ONE_CHUNK])
@pytest.mark.parametrize("fuse", [True, False])
def test_chunks_do_not_change_the_result(chunk_bytes, fuse, chunks_of_one_row):
    features = random_features(2, 4, 22, 14)
    output, offsets = contextual_attention(*features, softmax_scale=0.1, fuse=fuse, chunk_bytes=chunk_bytes)
    expected, expected_offsets = textbook_attention(*features, softmax_scale=0.1, fuse=fuse)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)
    assert torch.equal(offsets, expected_offsets)


def test_no_chunk_exceeds_the_asked_rows():
    for height, rows in itertools.product(range(1, 20), range(1, 21)):
        chunks = module.row_chunks(height, rows)
        assert [row for chunk in chunks for row in range(*chunk)] == list(range(height))
        assert max(bottom - top for top, bottom in chunks) <= rows


@pytest.mark.parametrize("chunk_bytes", [SMALLEST_CHUNKS, ONE_CHUNK])
@pytest.mark.parametrize("switches", SWITCHES, ids=lambda switches: "-".join(map(str, switches.values())))
def test_gradients_equal_those_of_the_textbook_form(switches, chunk_bytes, chunks_of_one_row):
    *features, hole = random_features(2, 3, 8, 6, dtype=torch.float64)
    weights = torch.randn(features[0].shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def gradients(form, **more):
        inputs = [tensor.clone().requires_grad_() for tensor in features]
        output, _ = form(*inputs, hole, softmax_scale=0.3, **switches, **more)
        return torch.autograd.grad((output * weights).sum(), inputs)

    ours, expected = gradients(contextual_attention, chunk_bytes=chunk_bytes), gradients(textbook_attention)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("masking", ["exclude", "multiply"])
@pytest.mark.parametrize("fuse", [True, False])
def test_weights_that_are_computed_once_paste_the_same(fuse, masking):
    features, _, hole = random_features(2, 5, 10, 14)
    expected, offsets = contextual_attention(features, features, hole, softmax_scale=0.5, fuse=fuse, masking=masking)
    weights = attention_weights(
        features[..., ::2, ::2], valid_patches(hole), softmax_scale=0.5, fuse=fuse, masking=masking
    )
    canvas = Canvas(features, 2)
    canvas.paste(weights, 0, 5)
    torch.testing.assert_close(canvas.picture("counted"), expected, rtol=0, atol=1e-5)
    best = weights.argmax(2).view(2, 5, 7)
    assert torch.equal(offsets[:, 0], best // 7 - torch.arange(5)[:, None])
    assert torch.equal(offsets[:, 1], best % 7 - torch.arange(7))


def test_norms_below_the_smallest_count_as_the_smallest():
    features = random_features(1, 4, 6, 6)[0] * 1e-6
    valid = torch.ones(1, 1, 6, 6, dtype=torch.bool)
    options = {"softmax_scale": 1e6, "fuse": False, "masking": "exclude"}
    found = attention_weights(features, valid, **options, smallest_norm=1e-8)
    larger = attention_weights(features * 1e6, valid, **options | {"softmax_scale": 1.0}, smallest_norm=1e-8)
    torch.testing.assert_close(found, larger, rtol=1e-3, atol=1e-5)
    assert (found - attention_weights(features, valid, **options)).abs().max() > 0.1


def test_gradcheck():
    foreground, background, hole = random_features(1, 2, 4, 4, dtype=torch.float64)
    hole = torch.zeros_like(hole)
    hole[..., 0, 0] = 1
    inputs = [tensor.requires_grad_() for tensor in (foreground, background)]
    assert torch.autograd.gradcheck(lambda f, b: contextual_attention(f, b, hole, softmax_scale=0.3)[0], inputs)


def test_a10_shapes_at_64_by_64_by_128():
    features = torch.zeros(1, 128, 64, 64)
    matching, canvas = Matching.of(features[..., ::2, ::2], features[..., ::2, ::2], 10.0, False), Canvas(features, 2)
    assert matching.scores(0, 32).shape == (1, 1024, 1024)
    assert canvas.blocks.shape == (1, 128 * 2 * 2, 33 * 33)
    output, offsets = contextual_attention(features, features, torch.zeros(1, 1, 64, 64))
    assert output.shape == (1, 128, 64, 64)
    assert offsets.shape == (1, 2, 32, 32) and offsets.dtype == torch.int64


def valid_patches(hole: torch.Tensor) -> torch.Tensor:
    return patch_sum(hole[..., ::2, ::2]) == 0


def test_a11_valid_patches_of_a_centred_hole():
    assert valid_patches(centred_hole(64, 32)).sum() == 1024 - 18**2


def test_a12_row_sums():
    valid, scores = valid_patches(centred_hole(64, 32)), torch.zeros(1, 1024, 1024)
    assert attention(scores, valid, "multiply").sum(2).tolist() == [[pytest.approx(700 / 1024, abs=1e-6)] * 1024]
    assert attention(scores, valid, "exclude").sum(2).tolist() == [[pytest.approx(1, abs=1e-6)] * 1024]


@pytest.mark.parametrize("masking", ["exclude", "multiply"])
def test_a13_no_attention_to_hole_patches(masking):
    valid = valid_patches(centred_hole(16, 6))
    scores = torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
    weights = attention(scores, valid, masking)
    assert torch.equal(weights != 0, valid.view(1, 1, 64).expand(1, 64, 64))


@pytest.mark.parametrize("masking", ["exclude", "multiply"])
def test_what_only_hole_patches_cover_is_never_pasted(masking):
    foreground, background, _ = random_features(1, 3, 32, 32)
    hole = centred_hole(32, 12)
    changed = background.clone()
    changed[..., 13:19, 13:19] += 100.0
    before, _ = contextual_attention(foreground, background, hole, fuse=False, masking=masking)
    after, _ = contextual_attention(foreground, changed, hole, fuse=False, masking=masking)
    assert torch.equal(before, after)


def periodic_features() -> torch.Tensor:
    """(1, 16, 64, 64): a random tile of period 8."""
    return torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0)).repeat(1, 1, 8, 8)


def test_a14_copies_a_repeated_texture():
    features, hole = periodic_features(), centred_hole(64, 32)
    output, offsets = contextual_attention(features, features, hole)
    assert ((output - features) * hole).abs().max() < 1e-4
    assert (offsets % 4 == 0).all()


def test_a15_constant_overlap_dims_the_border():
    features, hole = periodic_features(), centred_hole(64, 32)
    border = torch.ones(64, 64, dtype=torch.bool)
    border[2:-2, 2:-2] = False

    def border_error(overlap):
        output, _ = contextual_attention(features, features, hole, overlap=overlap)
        return (output - features).abs()[..., border].mean()

    assert border_error("counted") < 1e-4
    assert border_error("constant") > 0.1


def test_a16_a_constant_map_stays_constant():
    features = torch.full((1, 4, 16, 12), 0.7)
    output, _ = contextual_attention(features, features, torch.zeros(1, 1, 16, 12))
    torch.testing.assert_close(output, features)


@pytest.mark.parametrize("samples_at_once", [1, 2, 3])
def test_a17_samples_do_not_mix(samples_at_once):
    features = random_features(3, 4, 12, 16)
    chunk_bytes = samples_at_once * 48 * 48 * 4
    output, offsets = contextual_attention(*features, softmax_scale=0.5, chunk_bytes=chunk_bytes)
    for i in range(3):
        single, single_offsets = contextual_attention(*(tensor[i : i + 1] for tensor in features), softmax_scale=0.5)
        torch.testing.assert_close(output[i : i + 1], single, rtol=0, atol=1e-5)
        assert torch.equal(offsets[i : i + 1], single_offsets)


def test_offsets_are_from_the_own_position():
    """A background moved down by two matching positions and right by one is found there."""
    foreground, _, _ = random_features(1, 16, 24, 24)
    background = foreground.roll((4, 2), (2, 3))
    _, offsets = contextual_attention(foreground, background, torch.zeros(1, 1, 24, 24), fuse=False)
    inside = offsets[..., 1:-3, 1:-2]
    assert (inside[:, 0] == 2).all() and (inside[:, 1] == 1).all()


@pytest.mark.parametrize("masking", ["exclude", "multiply"])
@pytest.mark.parametrize("chunk_bytes", [SMALLEST_CHUNKS, ONE_CHUNK])
def test_a_sample_without_valid_patches_gives_zero(masking, chunk_bytes):
    foreground, background, hole = random_features(2, 3, 12, 8)
    hole[0] = 1
    inputs = [tensor.requires_grad_() for tensor in (foreground, background)]
    output, _ = contextual_attention(*inputs, hole, masking=masking, chunk_bytes=chunk_bytes)
    gradients = torch.autograd.grad(output.square().sum(), inputs)
    assert not output[0].any() and output[1].any()
    for gradient in gradients:
        assert gradient.isfinite().all() and not gradient[0].any()


def test_features_of_zero_have_finite_gradients():
    inputs = [torch.zeros(1, 2, 8, 8, requires_grad=True) for _ in range(2)]
    output, _ = contextual_attention(*inputs, torch.zeros(1, 1, 8, 8), normalise_foreground=True)
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(output.sum(), inputs))


@pytest.mark.parametrize(
    "background, hole, switches, text",
    [
        ((1, 3, 8, 6), (1, 1, 8, 8), {}, r"foreground \(1, 3, 8, 8\) and background \(1, 3, 8, 6\); accepted: two"),
        ((1, 3, 8, 8), (1, 3, 8, 8), {}, r"hole of \(1, 3, 8, 8\) .* accepted: \(1, 1, 8, 8\)"),
        (
            (1, 3, 8, 8),
            (1, 1, 16, 16),
            {"sampling": "aligned"},
            r"hole of \(1, 1, 16, 16\) .* accepted: \(1, 1, 8, 8\)",
        ),
        ((1, 3, 8, 8), (1, 1, 20, 20), {"sampling": "aligned-at-once"}, r"\(1, 1, 20, 20\) .*: \(1, 1, 16, 16\)"),
        ((1, 3, 8, 8), (1, 1, 8, 8), {"rate": 3}, "found rate 3; accepted: an even number"),
        ((1, 3, 8, 8), (1, 1, 8, 8), {"rate": 6}, "found features of 8 x 8 at rate 6; accepted: .* multiples of 6"),
        ((1, 3, 8, 8), (1, 1, 8, 8), {"masking": "add"}, "found masking 'add'; accepted: exclude, multiply"),
        ((1, 3, 8, 8), (1, 1, 8, 8), {"overlap": "4"}, "found overlap '4'; accepted: counted, constant"),
        ((1, 3, 8, 8), (1, 1, 8, 8), {"sampling": "odd"}, "found sampling 'odd'; accepted: strided, aligned"),
    ],
)
def test_errors_say_what_was_found_and_what_is_accepted(background, hole, switches, text):
    with pytest.raises(ValueError, match=text):
        contextual_attention(torch.zeros(1, 3, 8, 8), torch.zeros(background), torch.zeros(hole), **switches)
