"""StyleGAN2 against NVIDIA's counts, closed forms of its layers, and what its steps do."""

import pytest
import torch

from building import counts, made, shrink
from palimpsest.config.yaml import InputError
from palimpsest.inpainting import to_tensors
from palimpsest.models.stylegan2 import Mapping, with_deviation

RUN = "gm-srm-memory"


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tiny(params, size=64, **changes):
    shrink(params["pretrained"][RUN], changes)
    return made(params, RUN, "tiny", size)


def test_counts_of_paper256_are_nvidia_s(params):
    found = counts(params, RUN)
    assert found["generator"] == found["average"] == 24_767_458
    assert found["generator.mapping"] == 2_101_248
    assert found["generator.synthesis"] == 22_666_210
    assert found["critic"] == 24_001_089


def test_counts_of_config_f_are_nvidia_s(params):
    params["pretrained"][RUN]["settings"]["width"]["base"] = 32768
    found = counts(params, RUN)
    assert (found["generator"], found["critic"]) == (30_034_338, 28_864_129)


def test_counts_of_two_mapping_layers_are_nvidia_s(params):
    params["pretrained"][RUN]["settings"]["mapping_layers"] = 2
    assert counts(params, RUN)["generator"] == 23_191_522


def test_levels_and_layers_of_256_px(params):
    with torch.device("meta"):
        synthesis = made(params, RUN).memory
    assert [level.channels for level in synthesis.levels] == [512, 512, 512, 512, 256, 128, 64]
    assert [len(level.convs) for level in synthesis.levels] == [1, 2, 2, 2, 2, 2, 2]
    assert synthesis.layers + 1 == 14  # num_ws


def test_the_mapping_sees_the_direction_of_z_alone():
    torch.manual_seed(0)
    mapping, z = Mapping(16, 3, 0.01), drawn(2, 16)
    torch.testing.assert_close(mapping(z), mapping(7 * z))
    assert not torch.allclose(mapping(z), mapping(-z))


def test_the_deviation_is_that_of_each_group():
    x = drawn(8, 3, 2, 2)
    seen = with_deviation(x, 4)
    assert seen.shape == (8, 4, 2, 2)
    assert torch.equal(seen[:, :3], x)
    for group in range(2):  # pictures group, group + 2, … as NVIDIA groups them
        wanted = x[group::2].std(0, correction=0).mean().item()
        assert seen[group::2, 3].flatten().tolist() == pytest.approx([wanted] * 16, rel=1e-4)
    alone = x[:3].std(0, correction=0).mean().item()
    assert with_deviation(x[:3], 4)[:, 3].mean().item() == pytest.approx(alone, rel=1e-4)


def test_path_length_of_a_linear_generator(params):
    """Of a picture that is A times the sum of w, |Jᵀ y|² is known; a starts at 0 and follows at its decay."""
    model = tiny(params, loss={"path_length_decay": 0.25})
    matrix = drawn(3 * 8 * 8, 64)

    def generate(count, device):
        ws = torch.zeros(count, 5, 64, requires_grad=True)
        return (ws.sum(1) @ matrix.T).view(count, 3, 8, 8), ws

    model.generate = generate
    torch.manual_seed(3)
    penalty = model.path_length_penalty(6, "cpu")
    torch.manual_seed(3)
    y = torch.randn(6, 3 * 8 * 8) / 8
    lengths = (y @ matrix).square().sum(1).sqrt()  # each of the five w has this slope
    a = 0.25 * lengths.mean()
    assert model.networks["course"].path_length.item() == pytest.approx(a.item(), rel=1e-4)
    assert penalty.item() == pytest.approx((lengths - a).square().mean().item(), rel=1e-4)


def test_lazy_terms_come_when_they_are_due_and_the_course_is_kept(params, four):
    model = tiny(params, loss={"r1_every": 3, "path_length_every": 2})
    model.begin(model.config.schedule.phases[0])
    image, hole = to_tensors(*four)
    logs = [set(model.step(image, hole)) - {"generator", "critic"} for _ in range(4)]
    assert logs == [{"r1", "path_length"}, set(), {"path_length"}, {"r1"}]
    again = tiny(params)
    again.networks.load_state_dict(model.networks.state_dict())
    again.begin(model.config.schedule.phases[0])
    assert set(again.step(image, hole)) == {"generator", "critic", "path_length"}
    assert again.networks["course"].steps.item() == 5


def test_without_regularisation_there_is_nothing_to_make_up_for(params):
    model = tiny(params, loss={"r1": 0.0, "path_length": 0.0})
    model.begin(model.config.schedule.phases[0])
    for optimiser in model.optimisers.values():
        assert (optimiser.param_groups[0]["lr"], optimiser.param_groups[0]["betas"]) == (0.0025, (0.0, 0.99))


def test_rates_and_momenta_make_up_for_lazy_steps(params):
    model = tiny(params)
    model.begin(model.config.schedule.phases[0])
    for name, every in {"generator": 4, "critic": 16}.items():
        (group,) = model.optimisers[name].param_groups
        assert group["lr"] == pytest.approx(0.0025 * every / (every + 1))
        assert group["betas"] == (0.0, pytest.approx(0.99 ** (every / (every + 1))))


def test_the_average_moves_by_its_half_life(params, four):
    """After `average` pictures, one step here, it lies half way to the generator."""
    model = tiny(params, average=8)
    before = [value.clone() for value in model.networks["average"].parameters()]
    model.begin(model.config.schedule.phases[0])
    model.step(*to_tensors(*four))
    averages, news = (list(model.networks[name].parameters()) for name in ("average", "generator"))
    assert any(not torch.equal(old, new) for old, new in zip(before, news, strict=True))
    for old, average, new in zip(before, averages, news, strict=True):
        torch.testing.assert_close(average, (old + new) / 2)


def test_samples_are_pictures_by_number(params):
    model = tiny(params)
    together = model.sample(0, 4, "cpu")
    assert together.shape == (4, 3, 64, 64) and together.min() >= 0 and together.max() <= 1
    torch.testing.assert_close(model.sample(2, 2, "cpu"), together[2:], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(together[0], together[1])


def test_mixed_pictures_have_two_codes(params):
    model = tiny(params, mixing=1.0)
    torch.manual_seed(0)
    _, ws = model.generate(3, "cpu")
    assert all(len(picture.unique(dim=0)) == 2 for picture in ws)
    model = tiny(params, mixing=0.0)
    _, ws = model.generate(3, "cpu")
    assert all(len(picture.unique(dim=0)) == 1 for picture in ws)


@pytest.mark.slow
def test_it_learns_two_colours(params):
    """Of pictures that are plain red or plain blue, it comes to draw both, and no third colour."""
    model = tiny(params, 8, latent=16, width={"base": 64, "most": 16}, mixing=0.0)
    model.begin(model.config.schedule.phases[0])
    red, blue = torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.9])
    for _ in range(600):
        some = torch.rand(8) < 0.5
        image = torch.where(some[:, None], red, blue)[:, :, None, None].expand(-1, -1, 8, 8).contiguous()
        model.step(image, torch.zeros(8, 1, 8, 8))
    colours = model.sample(0, 64, "cpu").mean((2, 3))
    distances = torch.cdist(colours, torch.stack([red, blue]))
    assert distances.min(1).values.median() < 0.2
    assert 0.15 < (distances[:, 0] < distances[:, 1]).float().mean() < 0.85


def test_no_level_may_be_without_channels(params):
    with pytest.raises(InputError, match=r"width.base is 32 for pictures of 64 px; accepted: 64 or more"):
        tiny(params, width={"base": 32, "most": 32})


def test_a_group_must_divide_the_pictures_of_a_process():
    with pytest.raises(InputError, match="deviation_group is 4, of a process's 6 pictures; accepted: a divisor"):
        with_deviation(drawn(6, 2, 4, 4), 4)


@pytest.mark.parametrize("size", [4, 48, 96])
def test_sizes_that_are_no_power_of_2_are_refused(params, size):
    with pytest.raises(InputError, match=f"pictures of {size} px; accepted: a power of 2 from 8 px up"):
        tiny(params, size)


def test_a_group_that_does_not_divide_the_batch_is_refused(params):
    with pytest.raises(InputError, match=r"deviation_group is 3, schedule.batch_size 8; accepted: a divisor"):
        tiny(params, deviation_group=3)
