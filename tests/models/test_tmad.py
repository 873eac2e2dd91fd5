"""T-MAD: shapes, counts, memory, retrieval and losses against the paper and closed forms."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from building import counts, made, shapes
from palimpsest.config.runs import resolve
from palimpsest.config.yaml import InputError
from palimpsest.evaluation.counting import count_blocks
from palimpsest.inpainting import inpaint, predict, to_tensors
from palimpsest.models import create, without_values
from palimpsest.models.tmad import (
    Cells,
    Memory,
    PSNet,
    cells_of,
    centre,
    critic_loss,
    draw_cells,
    hole_cells,
    hole_variation,
    mirrored,
    patch_critic,
    patches_at,
    put_in,
    remember,
    sample,
    synthesis_loss,
)

VALUES = Path(__file__).parents[2] / "src" / "palimpsest" / "papers" / "values.csv"


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def square_hole(y, x, side=128, size=256):
    hole = torch.zeros(1, 1, size, size)
    hole[..., y : y + side, x : x + side] = 1
    return hole


def test_the_coarse_network_is_as_wide_as_decided(params):
    found = counts(params, "tmad")
    assert found["coarse"] == 10_805_839
    with without_values():
        network = made(params, "tmad-coarse").networks["generator"]
        found, output = shapes(network, torch.zeros(1, 4, 256, 256))
    assert found[3] == found[11] == (256, 32)
    assert output.shape == (1, 3, 256, 256)


@pytest.mark.parametrize(
    "run, texture_encoder",
    [
        ("tmad-nc1", 2_914_112),
        ("tmad-nc2", 2_914_304),
        ("tmad", 2_914_688),
        ("tmad-nc6", 2_915_072),
        ("tmad-weighted-sum", 2_914_112),
    ],
)
def test_parameters_of_psnet_and_its_critics(params, run, texture_encoder):
    found = counts(params, run)
    assert found["psnet.texture_encoder"] == texture_encoder
    assert found["psnet.backbone"] == 9_065_675
    assert found["correspondence.theta"] == found["correspondence.phi"] == 5_952
    assert found["patch_critic"] == 662_977
    assert found["global_critic"] == 2_764_737


def test_blocks_are_those_of_table_1(params):
    found = count_blocks(made(params, "tmad", "tiny", 64))
    table = {
        "coarse.generator": (1, 3, 8, 3, 1),
        "psnet.backbone": (1, 2, 5, 3, 1),
        "psnet.texture_encoder": (1, 2, 2, 0, 0),
    }
    for network, wanted in table.items():
        kinds = ("InputConv", "DownBlock", "ResidualBlock", "UpBlock", "OutConv")
        assert tuple(found[network].get(kind, 0) for kind in kinds) == wanted


def test_shapes_of_psnet(params):
    with without_values():
        psnet = made(params, "tmad").networks["psnet"]
        half, quarter = psnet.texture_encoder(torch.zeros(6, 12, 32, 32))
        assert half.shape == (6, 128, 16, 16) and quarter.shape == (6, 256, 8, 8)
        assert psnet(torch.zeros(6, 3, 96, 96), torch.zeros(6, 4, 3, 32, 32)).shape == (6, 3, 32, 32)


@pytest.mark.parametrize("patch", [8, 16, 32])
def test_psnet_computes_what_its_middle_needs_and_no_other_result(patch):
    """The residual blocks on the whole map, cut afterwards, against those on what the middle is computed from."""
    torch.manual_seed(0)
    psnet = PSNet(2, 4).eval()
    windows, textures = drawn(3, 3, 3 * patch, 3 * patch), drawn(3, 2, 3, patch, patch)
    backbone = psnet.backbone
    x = backbone.encoder(windows)
    for block in backbone.residual:
        x = block(x)
    half, quarter = psnet.texture_encoder(textures.flatten(1, 2))
    x = backbone.at_quarter(centre(x, patch // 4), quarter)
    whole = backbone.out(backbone.to_full(backbone.to_half(x, half)))
    assert whole.shape == (3, 3, patch, patch)
    torch.testing.assert_close(psnet(windows, textures), whole, atol=1e-5, rtol=1e-4)


def test_the_patch_critic_gives_one_score_a_patch():
    for patch in (8, 16, 32):
        assert patch_critic(4, patch)(drawn(5, 3, patch, patch)).shape == (5, 1, 1, 1)


@pytest.mark.parametrize("corner, valid", [((64, 64), 144), ((0, 0), 161), ((57, 71), 125)])
def test_the_memory_of_a_rectangle_holds_known_patches_alone(corner, valid):
    hole, x = square_hole(*corner), drawn(1, 3, 256, 256)
    whole = remember(x, hole, 32, 16, "known", 225, torch.rand(225))
    assert whole.usable.sum() == valid
    memory = remember(x, hole, 32, 16, "known", 100, torch.rand(225))
    assert memory.usable.all() and len({tuple(corner) for corner in memory.corners[0].tolist()}) == 100
    for (y, x0), texture in zip(memory.corners[0].tolist(), memory.textures[0], strict=True):
        assert y % 16 == x0 % 16 == 0
        assert not hole[..., y : y + 32, x0 : x0 + 32].any()
        assert torch.equal(texture, x[0, :, y : y + 32, x0 : x0 + 32])


def test_every_known_patch_is_as_likely():
    hole, x = square_hole(64, 64), drawn(1, 3, 256, 256)
    generator = torch.Generator().manual_seed(0)
    seen = torch.zeros(256, 256)
    for _ in range(300):
        memory = remember(x, hole, 32, 16, "known", 72, torch.rand(225, generator=generator))
        for y, x0 in memory.corners[0].tolist():
            seen[y, x0] += 1
    drawn_counts = seen[seen > 0]
    assert len(drawn_counts) == 144  # each is drawn by half of the draws, 150 times with a deviation of 8.7
    assert drawn_counts.min() > 150 - 45 and drawn_counts.max() < 150 + 45


def test_the_memory_of_strokes_takes_the_least_masked_patches():
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., ::9, :] = 1  # no patch of 16 px is known
    hole[..., :, 40:] = 0
    hole[..., 3, 45] = 1
    memory = remember(drawn(1, 3, 64, 64), hole, 16, 4, "least-masked", 60, torch.rand(169))
    missing = [int(hole[..., y : y + 16, x : x + 16].sum()) for y, x in memory.corners[0].tolist()]
    every = sorted(int(hole[..., y : y + 16, x : x + 16].sum()) for y in range(0, 49, 4) for x in range(0, 49, 4))
    assert missing == every[:60] and memory.usable.all()


def test_missing_pixels_in_the_memory_are_grey():
    hole = torch.zeros(1, 1, 32, 32)
    hole[..., ::2, :] = 1
    memory = remember(drawn(1, 3, 32, 32), hole, 16, 8, "least-masked", 9, torch.rand(9))
    assert (memory.textures[0, :, :, ::2] == 0).all() and (memory.textures[0, :, :, 1::2] != 0).all()


@pytest.mark.parametrize("known", [4, 1, 0])
def test_too_few_known_patches_recur_and_are_not_usable_twice(known):
    """`known` of 16 disjoint patches hold no missing pixel; with none, the least masked serves alone."""
    hole = torch.ones(1, 1, 64, 64)
    hole[..., :16, : 16 * known] = 0
    hole[..., 20:24, 20:30] = 0
    memory = remember(drawn(1, 3, 64, 64), hole, 16, 16, "known", 12, torch.rand(16))
    usable = max(known, 1)
    assert memory.usable[0].tolist() == [True] * usable + [False] * (12 - usable)
    corners = memory.corners[0].tolist()
    assert corners == [corners[place % usable] for place in range(12)]
    if not known:
        assert corners[0] == [16, 16]


@pytest.mark.parametrize("corner, count", [((64, 96), 16), ((57, 71), 25)])
def test_hole_patches_on_the_grid(corner, count):
    assert hole_cells(square_hole(*corner), 32).sum() == count


def test_patches_put_back_where_they_came_from_are_the_picture():
    picture = drawn(2, 3, 64, 96)
    cells = cells_of(torch.ones(2, 2, 3, dtype=torch.bool))
    assert cells.counts == [6, 6]
    patches = patches_at(picture, cells.picture, cells.y * 32, cells.x * 32, 32)
    assert torch.equal(put_in(torch.zeros_like(picture), cells, patches), picture)
    some = Cells(*(part[:4] for part in cells[:3]), [4, 0])
    put = put_in(torch.zeros_like(picture), some, patches[:4])
    assert torch.equal(put[0, :, :32], picture[0, :, :32]) and (put[1] == 0).all()


def test_windows_are_mirrored_beyond_the_border():
    picture = drawn(1, 3, 32, 48)
    zero = torch.zeros(1, dtype=torch.long)
    window = patches_at(picture, zero, zero - 8, zero + 32, 24)
    assert np.array_equal(window[0].numpy(), np.pad(picture[0], ((0, 0), (8, 0), (0, 8)), "reflect")[:, :24, 32:])
    assert mirrored(torch.tensor([-3, -2, -1, 0, 1, 2, 3, 4, 5]), 3).tolist() == [1, 2, 1, 0, 1, 2, 1, 0, 1]


def test_training_takes_missing_patches_first_and_fills_up_with_known_ones():
    missing = torch.zeros(2, 4, 4, dtype=torch.bool)
    missing[0, 1:3, 1:3] = True
    missing[1] = True
    torch.manual_seed(0)
    draws = [draw_cells(missing, 6) for _ in range(40)]
    for cells in draws:
        assert cells.counts == [6, 6]
        first = {(int(y), int(x)) for n, y, x in zip(*cells[:3], strict=True) if n == 0}
        assert len(first) == 6 and {(1, 1), (1, 2), (2, 1), (2, 2)} < first
    taken = {(int(y), int(x)) for cells in draws for n, y, x in zip(*cells[:3], strict=True) if n == 1}
    assert len(taken) == 16
    assert draw_cells(missing, 100).counts == [16, 16]


def retrieval(n=5, pool=20, side=4):
    memory = Memory(drawn(1, pool, 3, side, side), torch.zeros(1, pool, 2), torch.ones(1, pool, dtype=torch.bool))
    logits = drawn(n, pool, seed=1).requires_grad_()
    return memory, logits, Cells(torch.zeros(n, dtype=torch.long), *torch.zeros(2, n, dtype=torch.long), [n])


def test_sampling_gives_the_best_patches_bit_by_bit_and_in_order():
    memory, logits, cells = retrieval()
    best, _, ranks = sample(logits, memory, cells, 4)
    assert torch.equal(ranks, logits.argsort(1, descending=True)[:, :4])
    assert all(len(set(row)) == 4 for row in ranks.tolist())
    assert torch.equal(best, memory.textures[0][ranks])


def test_the_gradient_of_sampling_is_that_of_the_soft_sum():
    """Equation 5: each of the N_c patches passes on the gradient of S · T."""
    memory, logits, cells = retrieval()
    best, soft, _ = sample(logits, memory, cells, 4)
    aim = drawn(*best.shape, seed=2)
    (hard,) = torch.autograd.grad((best * aim).sum(), logits, retain_graph=True)
    (wanted,) = torch.autograd.grad((soft * aim.sum(1, keepdim=True)).sum(), logits)
    assert wanted.abs().max() > 1e-3
    torch.testing.assert_close(hard, wanted, atol=1e-5, rtol=1e-4)


def test_each_picture_retrieves_from_its_own_memory():
    memory = Memory(drawn(2, 8, 3, 4, 4), torch.zeros(2, 8, 2), torch.ones(2, 8, dtype=torch.bool))
    fits = drawn(5, 8)
    cells = Cells(torch.tensor([0, 0, 1, 1, 1]), *torch.zeros(2, 5, dtype=torch.long), [2, 3])
    best, soft, ranks = sample(fits, memory, cells, 2)
    for n, picture in enumerate([0, 0, 1, 1, 1]):
        assert torch.equal(best[n], memory.textures[picture][ranks[n]])
        wanted = (fits[n].softmax(0)[:, None, None, None] * memory.textures[picture]).sum(0)
        torch.testing.assert_close(soft[n, 0], wanted)


def test_similarity_ignores_the_scale_of_keys_and_not_that_of_queries(params):
    correspondence = made(params, "tmad", "tiny", 64).networks["correspondence"]
    memory, _, _ = retrieval(pool=10, side=8)
    coarse = (drawn(3, 3, 8, 8),)
    with torch.no_grad():
        fits = correspondence(coarse, memory.textures, memory.usable)
        correspondence["phi"][2].weight.mul_(5), correspondence["phi"][2].bias.mul_(5)
        torch.testing.assert_close(correspondence(coarse, memory.textures, memory.usable), fits, atol=1e-6, rtol=1e-4)
        correspondence["theta"][2].weight.mul_(5), correspondence["theta"][2].bias.mul_(5)
        assert (correspondence(coarse, memory.textures, memory.usable) - fits).abs().max() > 1e-3


def test_a_recurrence_is_not_retrieved(params):
    correspondence = made(params, "tmad", "tiny", 64).networks["correspondence"]
    usable = torch.tensor([[True] * 4 + [False] * 6])
    memory, _, _ = retrieval(pool=10, side=8)
    with torch.no_grad():
        fits = correspondence((drawn(3, 3, 8, 8),), memory.textures, usable)
    assert (fits[:, 4:] == -torch.inf).all() and fits[:, :4].isfinite().all()
    _, _, ranks = sample(fits, *retrieval(n=3, pool=10, side=8)[::2], 4)
    assert (ranks < 4).all()


def test_relativistic_losses_in_closed_form():
    """Without a difference in scores both are 2 ln 2; with scores a apart, sums of softplus."""
    same = torch.full((2, 6), 3.7)
    assert critic_loss(same, same, True).item() == pytest.approx(2 * math.log(2))
    assert synthesis_loss(same, same, same, True).item() == pytest.approx(2 * math.log(2))

    def softplus(x):
        return math.log1p(math.exp(x))

    real, fake, memory = (torch.full((2, 3), value) for value in (2.0, -1.0, 0.5))
    assert critic_loss(real, fake, True).item() == pytest.approx(softplus(-3) + softplus(-3))
    assert synthesis_loss(memory, real, fake, True).item() == pytest.approx(softplus(1.5) + softplus(3))
    assert critic_loss(real, fake, False).item() == pytest.approx(softplus(-2) + softplus(-1))
    assert synthesis_loss(memory, real, fake, False).item() == pytest.approx(softplus(1))


def test_scores_are_compared_within_a_picture():
    real, fake = torch.tensor([[5.0, 5.0], [-5.0, -5.0]]), torch.tensor([[5.0], [-5.0]])
    assert critic_loss(real, fake, True).item() == pytest.approx(2 * math.log(2))


def test_total_variation_counts_the_hole_and_the_pixels_that_touch_it():
    hole = torch.zeros(1, 1, 8, 8)
    hole[..., 3:5, 3:5] = 1
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    assert hole_variation(ramp, hole).item() == pytest.approx(1)
    noise = drawn(1, 3, 8, 8)
    far = noise.clone()
    far[..., :2, :] += 9
    far[..., 6:] += 9
    assert hole_variation(far, hole) == hole_variation(noise, hole)
    far[..., 2, 2] += 9
    assert hole_variation(far, hole) != hole_variation(noise, hole)


@pytest.mark.parametrize("size, patch", [(64, 8), (128, 16), (256, 32), (512, 64)])
def test_patches_grow_with_the_pictures_that_are_learned_from(params, size, patch):
    with without_values():
        model = create(resolve(params, "tmad", "tiny"), size)
    assert (model.patch, model.stride) == (patch, patch // 2)
    assert model.divisor == max(32, patch)


UNFIT = [20, 16, 96, 512]


@pytest.mark.parametrize("value", UNFIT)
def test_patches_that_do_not_fit_a_size_are_refused(params, value):
    params["runs"]["tmad"]["settings"]["memory"]["patch"] = value
    with pytest.raises(InputError, match=rf"memory.patch is {value} px of 256, .* of 64; accepted: 32, 64, 128, 256"):
        create(resolve(params, "tmad", "tiny"), 64)


def test_an_overlap_that_does_not_divide_the_patch_is_refused(params):
    params["runs"]["tmad"]["settings"]["memory"]["overlap"] = 3
    with pytest.raises(InputError, match=r"memory\.overlap is 3, a patch 8 px of 64; accepted: a divisor of 8"):
        create(resolve(params, "tmad", "tiny"), 64)


@pytest.mark.parametrize("shape", [(33, 90), (41, 64), (70, 35)])
def test_the_memory_of_a_picture_of_any_size_holds_no_pixel_from_beyond_it(params, shape):
    height, width = shape
    image, hole = torch.rand(1, 3, height, width), torch.zeros(1, 1, height, width)
    hole[..., 10:20, 12:24] = 1
    model = made(params, "tmad", "tiny", 64)
    model.networks.eval()
    with torch.no_grad():
        output, shown = model.inspect(image, hole)
    assert output.shape == shown["coarse"].shape == image.shape
    corners = shown["retrieved"][shown["retrieved"][..., 0] >= 0]
    assert len(corners) and (corners[:, 0] <= height - 8).all() and (corners[:, 1] <= width - 8).all()


def test_what_cannot_be_trained_or_retrieved_is_refused(params):
    params["runs"]["deepfill-v2-psnet"]["settings"]["trained"] = ["coarse", "psnet"]
    with pytest.raises(InputError, match=r"trained has 'coarse'.*accepted: a model of tmad_coarse"):
        create(resolve(params, "deepfill-v2-psnet", "tiny"), 64)
    params["runs"]["tmad"]["settings"]["memory"]["pool"] = 3
    with pytest.raises(InputError, match=r"retrieval.candidates is 4; accepted: up to memory.pool, 3"):
        create(resolve(params, "tmad", "tiny"), 64)


def test_a_picture_of_512_by_768_px(params):
    """Figure 12's size through networks that learn at 64 px: patches keep their 8 px."""
    picture = np.random.default_rng(0).integers(0, 256, (1, 512, 768, 3), np.uint8)
    hole = np.zeros((1, 512, 768), bool)
    hole[:, 100:190, 300:420] = True
    model = made(params, "tmad", "tiny", 64)
    model.networks.eval()
    results, outputs = inpaint(model, picture, hole)
    assert results.shape == (1, 512, 768, 3)
    assert (results[~hole] == picture[~hole]).all() and (results[hole] == outputs[hole]).all()


def test_without_a_hole_the_output_is_the_coarse_networks(params, four):
    image, hole = to_tensors(*four)
    model = made(params, "tmad", "tiny", 64)
    model.networks.eval()
    with torch.no_grad():
        output = predict(model, image, torch.zeros_like(hole))
        assert torch.equal(output, model.inside.inpaint(image, torch.zeros_like(hole)))


def test_patches_shown_are_those_of_the_memory(params, four):
    image, hole = to_tensors(*four)
    model = made(params, "tmad", "tiny", 64)
    model.networks.eval()
    with torch.no_grad():
        shown = model.inspect(image, hole)[1]["retrieved"]
    assert shown.shape == (4, 8, 8, 4, 2)
    missing = hole_cells(hole, 8)
    assert (shown[~missing] == -1).all() and (shown[missing] >= 0).all()
    for picture, (y, x) in [(n, corner) for n in range(4) for corner in shown[n][missing[n]].flatten(0, 1).tolist()]:
        assert not hole[picture, :, y : y + 8, x : x + 8].any()


def test_training_reaches_coarse_network_and_correspondence_through_the_patches(params, four, features):
    """Joint training: without the reconstruction loss the patch losses alone move both."""
    params["pretrained"]["tmad-coarse"]["settings"]["loss"] = {"hole": 0.0, "valid": 0.0}
    model = made(params, "tmad", "tiny", 64)
    before = {name: value.clone() for name, value in model.networks.state_dict().items()}
    model.begin(model.config.schedule.phases[0])
    model.step(*to_tensors(*four))
    after = model.networks.state_dict()
    for part in ("coarse.generator.0", "correspondence.theta.0", "correspondence.phi.0", "psnet.backbone.encoder.0"):
        moved = [name for name in after if name.startswith(part) and not torch.equal(after[name], before[name])]
        assert moved, part


def test_what_is_not_trained_stays_bit_by_bit(params, four, features):
    model = made(params, "tmad-not-relativistic", "tiny", 64)
    before = {name: value.clone() for name, value in model.networks.state_dict().items()}
    model.begin(model.config.schedule.phases[0])
    model.step(*to_tensors(*four))
    after = model.networks.state_dict()
    changed = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"psnet", "patch_critic", "global_critic"}


def test_the_paper_finds_no_single_best_number_of_candidates():
    with VALUES.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["paper"], row["table"]) == ("tmad", "IV")]

    def ordered(metric):
        found = {row["method"]: float(row["value"]) for row in rows if row["metric"] == metric}
        return sorted(found, key=found.get)

    assert ordered("fid")[:2] == ["T-MAD N_c=6", "T-MAD N_c=4"]
    assert ordered("l1_percent")[0] == "T-MAD N_c=4"
    assert ordered("psnr")[-1] == "T-MAD N_c=6"
    assert ordered("ssim")[-1] == "T-MAD N_c=4"
