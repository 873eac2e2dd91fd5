"""T-MAD: R. Xu et al., "Texture Memory-Augmented Deep Patch-Based Image Inpainting", IEEE TIP 2021.

Code: none released.

Section III and figure 2; section IV and tables I and II. The paper is the only source.

    I, M              image in [-1, 1], hole
    I_s, Î_s          output of the coarse network; the same with the known pixels put back
    k_p               side of a patch
    p_s, p̃_s          patch of Î_s on a grid of k_p; the same with its neighbours, 3 k_p wide
    p_gt              the patch of I at the same place
    T, p_t            texture memory, N_pool patches of the known region
    S                 softmax of equation 3: how well each p_t fits a p_s
    T_c, p_c          the N_c patches of T that fit a p_s best
    x_f               the patch that PSNet synthesises from p̃_s and T_c
    Î_p               Î_s with every p_s of the hole replaced by its x_f
    C, D              critic of patches, and the global critic of pictures

The coarse network is the model of the run in `needs.inside`. It is trained jointly if `trained` names `coarse` and
fixed otherwise, which makes PSNet a post-processing step for any trained model (section IV-C, table V).

Departures
- Widths are not published: here those of PGGAN at these sizes, which the paper says it follows.
- Two down-blocks and three up-blocks do not map 96 px to 32 px. Here the middle of the map, where the patch lies, is
  cut out after the residual blocks, and the first up-block does not enlarge. The two skip connections come from the
  texture encoder's maps at a quarter and at half of k_p.
- PSNet and both critics have spectral normalisation, except where CARAFE predicts its weights, which it would sharpen
  from the start. Normalised convolutions start orthogonal, those of 3 x 3 through a kernel that makes up for what the
  activations take away (`layers/blocks.py`): initial weights are not published, and with normalisation alone PSNet's
  signal fades to a two-hundredth.
- Equation 4 leaves open which patch is the i-th: here the i-th best by S. The patch is copied exactly, and the gradient
  that reaches S is that of the soft sum, equation 5.
- If fewer than N_pool patches are fully known, they are repeated; a repetition is retrieved only if there are fewer
  than N_c others. If none is fully known, the least masked one is used. Missing pixels of a patch in the memory are
  mid-grey.
- With the weighted sum, PSNet sees S · T, while the N_c best patches count as real for C.
- The memory of a picture that is filled is drawn with a fixed seed, so that it is always filled alike.
- If more than N_ps patches are missing, a step synthesises N_ps of them, drawn at random; the others keep the coarse
  output.
- Expectations in equations 6 and 7 are means over the patches of one picture, as the loss is meant to model the
  textures of a picture. Scores of real patches, T_c included where it counts as real, pass no gradient to the
  generator.
- The gradient penalties have weight 10 as in the work cited; C's lies between p_gt and x_f.
- `conv_5`, `conv_9`, `conv_15` are conv3_1, conv4_1, conv5_3 of VGG19, compared by l1 with equal weights. If VGG19 is
  not available, VGG16's layers of the same names are used, and the results say so. VGG sees patches resized to
  `perceptual_size` px.
- Total variation is a mean over the hole and the pixels that touch it.
- Beyond the picture's border, neighbours are mirrored. The grid of patches starts at the picture's corner.
- N_ps is 25, as many patches as a hole of 128 px can touch; neither it nor Adam's betas are published.
- The cosine restarts four times in a training; the paper does not say how often, nor how long joint training takes,
  except that it took three days on four GPUs. 600,000 iterations are our reading.
- For the λ of the coarse network in the text and in table II see `tmad_coarse`.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal, NamedTuple, get_args

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, l1_loss, max_pool2d, normalize, pad, softplus
from torch.nn.utils.parametrize import cached

from palimpsest.config.numbers import Channels, Count, Few, Pixels, Weight
from palimpsest.config.yaml import InputError, Settings, each_once
from palimpsest.holes.lengths import REFERENCE
from palimpsest.layers.blocks import DownBlock, InputConv, OutConv, ResidualBlock, UpBlock, spectral
from palimpsest.layers.compositing import paste
from palimpsest.learning.optimisation import Betas, adam_for_groups, descend, set_rates
from palimpsest.learning.schedule import Phase, Schedule
from palimpsest.losses.adversarial import GAN_LOSSES, gradient_penalty
from palimpsest.losses.perceptual import perceptual_l1
from palimpsest.losses.weights import Weights

SEED = 1  # of the memory of a picture that is filled
CHUNK = 16  # patches synthesised at once when filling; training takes all
FEATURES = ("conv3_1", "conv4_1", "conv5_3")
GLOBAL_GAN_LOSS = GAN_LOSSES["dcgan"]  # non-saturating

GeneratorPart = Literal["coarse", "correspondence", "psnet"]
Critic = Literal["patch_critic", "global_critic"]


class MemoryConfig(Settings):
    """The texture memory, section III-B."""

    patch: Pixels  # k_p in px of a picture of 256 px, other sizes scale it
    overlap: Few  # k_p divided by the stride: 2 for rectangles, 4 for irregular holes
    choice: Literal["known", "least-masked"]  # patches without missing pixels, or those with the fewest
    pool: Count  # N_pool


class RetrievalConfig(Settings):
    """Correspondence and sampling, section III-B."""

    width: Channels  # channels of θ and φ
    candidates: Count  # N_c
    sampling: Literal["hard", "weighted-sum"]  # the N_c patches themselves, or the single patch S · T (table IV)


class Loss(Weights):
    """Weights of equations 8 and 9; table II."""

    l1: Weight
    patch_adversarial: Weight
    perceptual: Weight
    global_adversarial: Weight
    total_variation: Weight
    gradient_penalty: Weight


class Config(Settings):
    memory: MemoryConfig
    retrieval: RetrievalConfig
    width: Channels  # channels of PSNet at full size
    critic_width: Channels
    patches: Count  # N_ps, for each picture in training
    relativistic: bool  # false: figure 7's loss without comparison
    perceptual_size: Annotated[Pixels, Field(ge=16)]  # px, to which patches are resized for VGG
    trained: Annotated[list[GeneratorPart], Field(min_length=1), AfterValidator(each_once)]  # the others stay fixed
    inherits: Annotated[list[GeneratorPart | Critic], AfterValidator(each_once)]  # start as in the run `needs.start`
    betas: Betas
    loss: Loss
    schedule: Schedule


class Correspondence(nn.ModuleDict):
    """θ and φ of equation 3, each 3 x 3 and 1 x 1: (N, 3, k_p, k_p) → (N, width, k_p, k_p)."""

    def __init__(self, width: int):
        super().__init__({name: Embedding(width) for name in ("theta", "phi")})

    def forward(self, coarse: tuple[Tensor, ...], textures: Tensor, usable: Tensor) -> Tensor:
        """c of equation 3, (N, N_pool), whose softmax is S; -inf where T is not usable.

        Each picture's p_s, B times (n, 3, k_p, k_p), are compared with its own T, (B, N_pool, 3, k_p, k_p).
        """
        queries = self["theta"](torch.cat(coarse)).flatten(1).split([len(patches) for patches in coarse])
        keys = self["phi"](textures.flatten(0, 1)).flatten(1)
        keys = normalize(keys, dim=1).unflatten(0, textures.shape[:2])
        fits = [
            (query @ key.mT).masked_fill(~known, -torch.inf)
            for query, key, known in zip(queries, keys, usable, strict=True)
        ]
        return torch.cat(fits)


class Embedding(nn.Sequential):
    """3 x 3, 1 x 1."""

    def __init__(self, width: int):
        super().__init__(nn.Conv2d(3, width, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 1))


class Backbone(nn.Module):
    """p̃_s (N, 3, 3 k_p, 3 k_p) and the texture encoder's maps → x_f (N, 3, k_p, k_p)."""

    def __init__(self, width: int):
        super().__init__()
        w = width
        self.encoder = nn.Sequential(InputConv(3, w, spectral), DownBlock(w, spectral), DownBlock(2 * w, spectral))
        self.residual = nn.ModuleList(ResidualBlock(4 * w, 1, spectral) for _ in range(5))
        self.at_quarter = UpBlock(4 * w, 4 * w, spectral, beside=4 * w, upsamples=False)
        self.to_half = UpBlock(4 * w, 2 * w, spectral, beside=2 * w)
        self.to_full = UpBlock(2 * w, w, spectral)
        self.out = OutConv(w, 3, spectral)

    def forward(self, windows: Tensor, half: Tensor, quarter: Tensor) -> Tensor:
        x = self.encoder(windows)
        middle = x.shape[-1] // 3
        for left, block in zip(range(len(self.residual) - 1, -1, -1), self.residual, strict=True):
            reach = middle + 2 * block.margin * (left + 1)  # of the map, as far as the middle depends on it
            x = block.inside(centre(x, reach)) if reach <= x.shape[-1] else block(x)
        x = self.at_quarter(centre(x, middle), quarter)
        return self.out(self.to_full(self.to_half(x, half)))


def centre(x: Tensor, side: int) -> Tensor:
    """The middle of a square map: (N, C, H, H) → (N, C, side, side)."""
    first = (x.shape[-1] - side) // 2
    return x[..., first : first + side, first : first + side]


class TextureEncoder(nn.Module):
    """The patches of T_c, concatenated to (N, 3 N_c, k_p, k_p) → maps at half and at a quarter of the size."""

    def __init__(self, patches: int, width: int):
        super().__init__()
        w = width
        self.to_half = nn.Sequential(InputConv(3 * patches, w, spectral), DownBlock(w, spectral))
        self.to_quarter = nn.Sequential(
            DownBlock(2 * w, spectral), *(ResidualBlock(4 * w, 1, spectral) for _ in range(2))
        )

    def forward(self, textures: Tensor) -> tuple[Tensor, Tensor]:
        half = self.to_half(textures)
        return half, self.to_quarter(half)


class PSNet(nn.Module):
    """Patch synthesis, section III-C: p̃_s (N, 3, 3 k_p, 3 k_p), T_c (N, N_c, 3, k_p, k_p) → x_f (N, 3, k_p, k_p)."""

    def __init__(self, patches: int, width: int):
        super().__init__()
        self.backbone = Backbone(width)
        self.texture_encoder = TextureEncoder(patches, width)

    def forward(self, windows: Tensor, textures: Tensor) -> Tensor:
        return self.backbone(windows, *self.texture_encoder(textures.flatten(1, 2)))


def critic(width: int, last: list[nn.Conv2d]) -> nn.Sequential:
    """4 x 4 at stride 2, three times, then `last`: pictures (N, 3, H, W) → scores (N, 1, h, w)."""
    w = width
    convs = [nn.Conv2d(i, o, 4, 2, 1) for i, o in ((3, w), (w, 2 * w), (2 * w, 4 * w))] + last
    layers = [layer for conv in convs for layer in (spectral(conv), nn.LeakyReLU(0.2))]
    return nn.Sequential(*layers[:-1])


def patch_critic(width: int, patch: int) -> nn.Sequential:
    """C: one score for each patch."""
    return critic(width, [nn.Conv2d(4 * width, 1, patch // 8)])


def global_critic(width: int) -> nn.Sequential:
    """D, a PatchGAN whose scores see 70 px each."""
    return critic(width, [nn.Conv2d(4 * width, 8 * width, 4, 1, 1), nn.Conv2d(8 * width, 1, 4, 1, 1)])


class Memory(NamedTuple):
    """T of each picture."""

    textures: Tensor  # (B, N_pool, 3, k_p, k_p)
    corners: Tensor  # (B, N_pool, 2): (y, x) px of the top left corners
    usable: Tensor  # bool (B, N_pool): not a repetition


class Cells(NamedTuple):
    """Cells of the grid of k_p, ordered by picture."""

    picture: Tensor  # (N,)
    y: Tensor  # (N,), in patches
    x: Tensor  # (N,)
    counts: list[int]  # of each picture


class Synthesis(NamedTuple):
    """A picture filled, and by what."""

    memory: Memory
    ranks: Tensor  # (N, N_c): which patches of T are T_c, the best first
    patches: Tensor  # x_f (N, 3, k_p, k_p)
    picture: Tensor  # I_s with x_f put in, (B, 3, H, W)


def patches_at(pictures: Tensor, picture: Tensor, y: Tensor, x: Tensor, side: int) -> Tensor:
    """(B, C, H, W) and top left corners, px, (N,) each → (N, C, side, side); pictures are mirrored at their borders."""
    height, width = pictures.shape[2:]
    steps = torch.arange(side, device=pictures.device)
    rows, columns = mirrored(y[:, None] + steps, height), mirrored(x[:, None] + steps, width)
    return pictures[picture[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def mirrored(index: Tensor, count: int) -> Tensor:
    """Indices into a row of `count` that is mirrored at its first and last element."""
    period = 2 * (count - 1)
    index = index % period
    return torch.minimum(index, period - index)


def remember(x: Tensor, hole: Tensor, side: int, stride: int, choice: str, pool: int, draw: Tensor) -> Memory:
    """T of pictures (B, 3, H, W) with holes (B, 1, H, W): `pool` patches of `side` px at a `stride`.

    "known" draws them from those without missing pixels; "least-masked" takes those with the fewest. `draw`, in [0, 1)
    for each position, breaks ties.
    """
    missing = (avg_pool2d(hole, side, stride) * side**2).round().flatten(1)
    a_row = (x.shape[-1] - side) // stride + 1
    order = (missing + draw).argsort(1)
    chosen_from = (missing == 0).sum(1).clamp_min(1) if choice == "known" else missing.new_full((len(x),), len(draw))
    place = torch.arange(pool, device=x.device)
    chosen = order.gather(1, (place % chosen_from.long()[:, None]))
    corners = torch.stack([chosen // a_row * stride, chosen % a_row * stride], 2)
    picture = torch.arange(len(x), device=x.device).repeat_interleave(pool)
    textures = patches_at(x * (1 - hole), picture, *corners.flatten(0, 1).unbind(1), side).unflatten(0, (len(x), pool))
    return Memory(textures, corners, place < chosen_from[:, None])


def sample(fits: Tensor, memory: Memory, cells: Cells, candidates: int) -> tuple[Tensor, Tensor, Tensor]:
    """T_c (N, N_c, 3, k_p, k_p) by equations 4 and 5, the soft sums S · T (N, 1, 3, k_p, k_p), and ranks (N, N_c).

    `fits` (N, N_pool) is c of equation 3.
    """
    ranks = fits.topk(candidates, 1).indices
    shares = fits.softmax(1).split(cells.counts)
    soft = torch.cat([share @ pool.flatten(1) for share, pool in zip(shares, memory.textures, strict=True)])
    soft = soft.view(-1, 1, *memory.textures.shape[2:])
    chosen = memory.textures[cells.picture[:, None], ranks]
    return chosen + (soft - soft.detach()), soft, ranks


def hole_cells(hole: Tensor, side: int) -> Tensor:
    """Which cells of the grid miss a pixel: (B, 1, H, W) → bool (B, H / k_p, W / k_p)."""
    return max_pool2d(hole, side)[:, 0] > 0


def cells_of(chosen: Tensor) -> Cells:
    """The cells that are True: bool (B, h, w)."""
    return Cells(*chosen.nonzero(as_tuple=True), chosen.sum((1, 2)).tolist())


def draw_cells(missing: Tensor, count: int) -> Cells:
    """`count` cells of each picture at random, missing ones first: bool (B, h, w)."""
    cells = missing.flatten(1)
    first = (cells + torch.rand(cells.shape, device=cells.device)).topk(min(count, cells.shape[1]), 1).indices
    return cells_of(torch.zeros_like(cells).scatter(1, first, True).view_as(missing))


def put_in(picture: Tensor, cells: Cells, patches: Tensor) -> Tensor:
    """The picture (B, 3, H, W) with patches (N, 3, k_p, k_p) in their cells."""
    side = patches.shape[-1]
    grid = picture.unflatten(3, (-1, side)).unflatten(2, (-1, side)).permute(0, 2, 4, 1, 3, 5)
    grid = grid.index_put((cells.picture, cells.y, cells.x), patches)
    return grid.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def relative(some: Tensor, others: Tensor) -> Tensor:
    """C(x) minus the mean of the others in its picture: (B, n), (B, m) → (B, n)."""
    return some - others.mean(1, keepdim=True)


def critic_loss(real: Tensor, fake: Tensor, relativistic: bool) -> Tensor:
    """Equation 6 from scores of (T_c, p_gt) and of x_f, (B, n) and (B, m); f1 = softplus(-·), f2 = softplus."""
    if not relativistic:
        return GAN_LOSSES["dcgan"].critic(real, fake)
    return softplus(-relative(real, fake)).mean() + softplus(relative(fake, real)).mean()


def synthesis_loss(memory: Tensor, real: Tensor, fake: Tensor, relativistic: bool) -> Tensor:
    """Equation 7 from scores of T, of (T_c, p_gt) and of x_f; g1 = softplus, g2 = softplus(-·)."""
    if not relativistic:
        return GAN_LOSSES["dcgan"].generator(fake)
    return softplus(relative(memory, fake)).mean() + softplus(-relative(fake, real)).mean()


def hole_variation(result: Tensor, hole: Tensor) -> Tensor:
    """mean|∂y| + mean|∂x| over the hole and the pixels that touch it; equation 9."""
    near = max_pool2d(hole, 3, 1, 1)
    terms = []
    for axis in (2, 3):
        both = near.narrow(axis, 1, near.shape[axis] - 1) * near.narrow(axis, 0, near.shape[axis] - 1)
        terms.append((result.diff(dim=axis).abs() * both).sum() / (result.shape[1] * both.sum()).clamp_min(1))
    return terms[0] + terms[1]


class Model:
    size_divisor = 1  # `fill` pads pictures itself
    batches = 1

    def __init__(self, config: Config, size: int, inside):
        if "coarse" in config.trained and not hasattr(inside, "reconstruct"):
            raise InputError("trained has 'coarse', the model in needs.inside; accepted: a model of tmad_coarse there")
        self.config, self.inside = config, inside
        sides = [side for side in range(8, size + 1, 8) if size % side == 0]
        self.patch = scaled(config.memory.patch, size, "memory.patch", sides)
        if self.patch % config.memory.overlap:
            found = f"memory.overlap is {config.memory.overlap}, a patch {self.patch} px of {size}"
            raise InputError(f"{found}; accepted: a divisor of {self.patch}")
        self.stride = self.patch // config.memory.overlap
        self.divisor = math.lcm(self.patch, inside.size_divisor)  # px, of the sides to which pictures are padded
        conditions = config.retrieval.candidates if config.retrieval.sampling == "hard" else 1
        if config.retrieval.candidates > config.memory.pool:
            raise InputError(
                f"retrieval.candidates is {config.retrieval.candidates}; accepted: up to memory.pool, "
                f"{config.memory.pool}"
            )
        self.networks = nn.ModuleDict(
            {
                "coarse": inside.networks,
                "correspondence": Correspondence(config.retrieval.width),
                "psnet": PSNet(conditions, config.width),
                "patch_critic": patch_critic(config.critic_width, self.patch),
                "global_critic": global_critic(config.critic_width),
            }
        )
        for name in get_args(GeneratorPart):
            self.networks[name].requires_grad_(name in config.trained)

    @property
    def inherits(self) -> list[str]:
        return list(self.config.inherits)

    @cached_property
    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        parts = {"generator": self.config.trained, "critics": ["patch_critic", "global_critic"]}
        return adam_for_groups(self, parts)

    def begin(self, phase: Phase) -> None:
        set_rates(self.optimisers, phase)

    def step(self, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """The critics' step, equations 6 and 9, then the generator's, equation 10."""
        x = image * 2 - 1
        coarse, reconstruction = self.predict_coarse(x, hole)
        cells = draw_cells(hole_cells(hole, self.patch), self.config.patches)
        made = self.synthesise(x, hole, coarse, cells, self.remember(x, hole, torch.rand))
        result = paste(made.picture, x, hole)
        by_picture = (len(x), -1, 3, self.patch, self.patch)
        wanted = self.patches(x, cells, self.patch).view(by_picture)
        best = made.memory.textures[cells.picture[:, None], made.ranks].view(by_picture)
        real, fake = torch.cat([best, wanted], 1), made.patches.view(by_picture)

        log = self._step_critics(x, real, wanted, fake.detach(), result.detach())
        terms = self._adversarial_terms(made.memory.textures, real, fake, result)
        terms |= {"l1": l1_loss(fake, wanted), "total_variation": hole_variation(result, hole)}
        if self.config.loss.perceptual:
            terms["perceptual"] = self.perceptual_loss(fake.flatten(0, 1), wanted.flatten(0, 1))
        loss = reconstruction + self.config.loss.total(terms)
        descend(self.optimisers["generator"], loss)
        return {**log, "reconstruction": reconstruction, **terms, "generator": loss}

    def _step_critics(self, x: Tensor, real: Tensor, wanted: Tensor, fake: Tensor, result: Tensor) -> dict[str, Tensor]:
        critics, whole = self.networks, x.new_ones(())
        patches = critic_loss(self.scores(real), self.scores(fake), self.config.relativistic)
        pictures = GLOBAL_GAN_LOSS.critic(critics["global_critic"](x), critics["global_critic"](result))
        penalty = gradient_penalty(critics["patch_critic"], wanted.flatten(0, 1), fake.flatten(0, 1), whole)
        penalty = penalty + gradient_penalty(critics["global_critic"], x, result, whole)
        descend(self.optimisers["critics"], patches + pictures + self.config.loss.gradient_penalty * penalty)
        return {"patch_critic": patches, "global_critic": pictures, "penalty": penalty}

    def _adversarial_terms(self, memory: Tensor, real: Tensor, fake: Tensor, result: Tensor) -> dict[str, Tensor]:
        """The generator's terms from both critics."""
        with torch.no_grad():
            textures, real = self.scores(memory), self.scores(real)
        patches = synthesis_loss(textures, real, self.scores(fake), self.config.relativistic)
        pictures = GLOBAL_GAN_LOSS.generator(self.networks["global_critic"](result))
        return {"patch_adversarial": patches, "global_adversarial": pictures}

    def scores(self, patches: Tensor) -> Tensor:
        """C of each picture's patches: (B, n, 3, k_p, k_p) → (B, n)."""
        return self.networks["patch_critic"](patches.flatten(0, 1)).view(patches.shape[:2])

    def predict_coarse(self, x: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        """I_s and L_recon; if the inner model is fixed, I_s has no gradient and L_recon is 0."""
        if "coarse" in self.config.trained:
            return self.inside.reconstruct(x, hole)
        self.inside.networks.eval()
        with torch.no_grad():
            return self.inside.inpaint((x + 1) / 2, hole) * 2 - 1, x.new_zeros(())

    def remember(self, x: Tensor, hole: Tensor, rand) -> Memory:
        config, side = self.config.memory, self.patch
        positions = math.prod((length - side) // self.stride + 1 for length in x.shape[2:])
        return remember(x, hole, side, self.stride, config.choice, config.pool, rand(positions).to(x.device))

    def patches(self, pictures: Tensor, cells: Cells, side: int) -> Tensor:
        """Patches of `side` px around the middles of cells."""
        margin = (side - self.patch) // 2
        y, x = (place * self.patch - margin for place in (cells.y, cells.x))
        return patches_at(pictures, cells.picture, y, x, side)

    def synthesise(self, x: Tensor, hole: Tensor, coarse: Tensor, cells: Cells, memory: Memory) -> Synthesis:
        """Retrieval and PSNet for the patches of `cells`, those of all pictures as one batch."""
        filled = paste(coarse, x, hole)
        queries = self.patches(filled, cells, self.patch).split(cells.counts)
        fits = self.networks["correspondence"](queries, memory.textures, memory.usable)
        best, soft, ranks = sample(fits, memory, cells, self.config.retrieval.candidates)
        windows = self.patches(filled, cells, 3 * self.patch)
        textures = best if self.config.retrieval.sampling == "hard" else soft
        chunk = max(1, len(windows)) if torch.is_grad_enabled() else CHUNK
        pairs = zip(windows.split(chunk), textures.split(chunk), strict=True)
        patches = torch.cat([self.networks["psnet"](window, texture) for window, texture in pairs])
        return Synthesis(memory, ranks, patches, put_in(coarse, cells, patches))

    def perceptual_loss(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Mean l1 of VGG's features before their ReLU, of patches in [-1, 1]."""
        side = self.config.perceptual_size
        pictures = [interpolate((patches + 1) / 2, (side, side), mode="bilinear") for patches in (made, wanted)]
        return perceptual_l1(*pictures, FEATURES)

    def fill(self, image: Tensor, hole: Tensor) -> tuple[Cells, Synthesis, Tensor]:
        """The missing cells, the pictures filled, and I_s; the memory of every picture is drawn alike.

        Pictures are padded to multiples of `divisor` px by repeating their border; the memory treats that as missing.
        """
        height, width = image.shape[2:]
        margin = (0, -width % self.divisor, 0, -height % self.divisor)
        outside = pad(hole, margin, value=1.0)
        image, hole = pad(image * (1 - hole), margin, mode="replicate"), pad(hole, margin, mode="replicate")
        x = image * 2 - 1
        coarse = self.inside.inpaint(image, hole) * 2 - 1
        cells = cells_of(hole_cells(hole, self.patch))
        generator = torch.Generator().manual_seed(SEED)
        memory = self.remember(x, outside, lambda count: torch.rand(count, generator=generator))
        with cached():
            return cells, self.synthesise(x, hole, coarse, cells, memory), coarse

    def inpaint(self, image: Tensor, hole: Tensor) -> Tensor:
        return self.inspect(image, hole)[0]

    def inspect(self, image: Tensor, hole: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Shows the coarse prediction and what was retrieved: for each cell the corners (y, x) px of T_c, or -1.

        `retrieved` is (B, h, w, N_c, 2), with the cells of pictures padded to multiples of `divisor` px.
        """
        cells, made, coarse = self.fill(image, hole)
        height, width = (length // self.patch for length in coarse.shape[2:])
        retrieved = cells.y.new_full((len(image), height, width, self.config.retrieval.candidates, 2), -1)
        retrieved[cells.picture, cells.y, cells.x] = made.memory.corners[cells.picture[:, None], made.ranks]
        output, coarse = (
            ((picture[..., : image.shape[2], : image.shape[3]] + 1) / 2).clamp(0, 1)
            for picture in (made.picture, coarse)
        )
        return output, {"coarse": coarse, "retrieved": retrieved}


def scaled(length: int, size: int, what: str, accepted: Sequence[int]) -> int:
    """A length in px of a picture of 256 px, scaled to pictures of `size` px; InputError unless `accepted` holds it."""
    found = length * size / REFERENCE
    if found not in accepted:
        fitting = ", ".join(f"{px * REFERENCE / size:g}" for px in accepted)
        raise InputError(f"{what} is {length} px of {REFERENCE}, {found:g} px of {size}; accepted: {fitting}")
    return int(found)
