"""A model of anyone's making: its file is run in the form that its section declares, and in no other."""

import copy
import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from palimpsest.config.yaml import InputError, build
from palimpsest.evaluation.external import Made
from palimpsest.inpainting import composite

COLOUR = (200, 100, 50)  # RGB, with which the painter fills holes
DARKER = 10  # by which it changes known pixels
AS_IT_IS = {
    "inputs": ["mask + picture"],
    "picture": {"colours": "bgr", "range": [-1, 1], "in_hole": "grey"},
    "mask": {"missing": -0.5, "known": 0.5},
    "output": {"colours": "bgr", "range": [0, 255], "beyond": "refused"},
    "size_divisor": 8,
}


class Painter(nn.Module):
    """Takes mask and picture as AS_IT_IS says, and shows all that it sees under the hole."""

    def forward(self, joined: Tensor) -> Tensor:
        mask, picture = joined[:, :1], joined[:, 1:]
        colour = torch.tensor([50.0, 100.0, 200.0]).view(1, 3, 1, 1)
        return torch.where(mask < 0, colour + 100 * picture, (picture + 1) * 127.5 - 10)


class Two(nn.Module):
    """Takes picture and mask apart, for each test to say what it does."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def forward(self, picture: Tensor, mask: Tensor) -> Tensor:
        if self.kind == "nan":
            return picture / 0 * 0
        if self.kind == "brighter":
            return picture + 0.5
        if self.kind == "random":
            return torch.rand_like(picture)
        if self.kind == "mask":
            return mask.expand(picture.shape)
        if self.kind == "grey":
            return picture[:, :1]
        return picture[:, :, :13] + picture  # a width of its own


def script(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(module).save(path)
    return path


def graph(path: Path, inputs: dict, nodes: list, constants: dict, kind: str = "FLOAT", outputs: int = 1) -> Path:
    """An ONNX file whose nodes are (operator, inputs, output, attributes); the first of `outputs` is called `out`."""
    onnx, helper = pytest.importorskip("onnx"), pytest.importorskip("onnx.helper")
    pytest.importorskip("onnxruntime")
    of = {"FLOAT": onnx.TensorProto.FLOAT, "UINT8": onnx.TensorProto.UINT8, "DOUBLE": onnx.TensorProto.DOUBLE}
    made = helper.make_graph(
        [helper.make_node(operator, given, [name], **more) for operator, given, name, more in nodes],
        "painter",
        [helper.make_tensor_value_info(name, of[kind], shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, of[kind], None) for name in ["out", "second"][:outputs]],
        [onnx.numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def painter_graph(path: Path) -> Path:
    """Painter as an ONNX file."""
    constants = {
        **{name: np.array([value]) for name, value in {"first": 0, "second": 1, "end": 4, "channels": 1}.items()},
        **{
            name: np.float32(value)
            for name, value in {"zero": 0, "one": 1, "half": 127.5, "ten": 10, "much": 100}.items()
        },
        "colour": np.float32([50, 100, 200]).reshape(1, 3, 1, 1),
    }
    nodes = [
        ("Slice", ["joined", "first", "second", "channels"], "mask", {}),
        ("Slice", ["joined", "second", "end", "channels"], "picture", {}),
        ("Less", ["mask", "zero"], "missing", {}),
        ("Mul", ["picture", "much"], "seen", {}),
        ("Add", ["seen", "colour"], "filled", {}),
        ("Add", ["picture", "one"], "positive", {}),
        ("Mul", ["positive", "half"], "bright", {}),
        ("Sub", ["bright", "ten"], "known", {}),
        ("Where", ["missing", "filled", "known"], "out", {}),
    ]
    return graph(path, {"joined": [None, 4, "height", "width"]}, nodes, constants)


@pytest.fixture(params=["torchscript", "onnx"])
def painter(request, tmp_path) -> dict:
    """`results` of the painter, in a file of each kind."""
    file = f"painter.{request.param}"
    made = script(Painter(), tmp_path / file) if request.param == "torchscript" else painter_graph(tmp_path / file)
    return {"kind": request.param, "path": made.name, **copy.deepcopy(AS_IT_IS)}


def painted(found) -> np.ndarray:
    """What the painter says, known from its definition."""
    return np.where(found.holes[..., None], np.uint8(COLOUR), found.pictures - np.uint8(DARKER))


def test_a_file_is_measured_raw_and_with_the_known_pixels_put_back(painter, measured, tmp_path):
    found = measured(painter)
    assert (found.outputs == painted(found)).all()
    assert (found.results == composite(painted(found), found.pictures, found.holes)).all()
    means, colour = found.metrics["holes"]["rectangle"], np.abs(found.pictures.astype(float) - np.array(COLOUR))
    weights = found.holes[..., None]
    assert means["l1"] == pytest.approx((colour * weights).mean() / 255)
    assert means["l1_raw"] == pytest.approx((colour * weights + DARKER * ~weights).mean() / 255)
    digest = hashlib.sha256((tmp_path / painter["path"]).read_bytes()).hexdigest()
    assert found.metrics["model"] == f"{painter['path']}, sha256 {digest}"


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("inputs", ["picture + mask"]),
        ("picture", {"colours": "rgb"}),
        ("picture", {"range": [0, 1]}),
        ("picture", {"in_hole": "black"}),
        ("picture", {"in_hole": "mean"}),
        ("mask", {"missing": 0.5, "known": -0.5}),
        ("mask", {"missing": 0.5, "known": 1}),
        ("output", {"colours": "rgb"}),
        ("output", {"range": [-1, 1]}),
        ("output", {"range": [-255, 255]}),
    ],
)
def test_no_other_form_gives_the_same_results(painter, measured, key, wrong):
    painter["output"]["beyond"] = "clipped"
    assert (measured(painter).outputs == painted(measured(painter))).all()
    painter[key] = painter[key] | wrong if isinstance(wrong, dict) else wrong
    found = measured(painter)
    difference = np.abs(found.outputs.astype(int) - painted(found))
    assert difference.mean() > 3


def test_what_lies_under_the_hole_is_never_shown(painter, measured, tmp_path):
    """Other pictures there, and the same outputs, whatever colour is shown in their place."""
    painter["output"]["beyond"] = "clipped"
    before = {colour: measured(painter | shown(painter, colour)) for colour in ("black", "white", "grey", "mean")}
    pixels = np.memmap(tmp_path / "data/scenes/shards/test.bin", np.uint8, "r+").reshape(3, 36, 36, 3)
    pixels[before["grey"].holes] ^= 255
    pixels.flush()
    for colour, first in before.items():
        again = measured(painter | shown(painter, colour))
        assert (again.outputs == first.outputs).all() and (again.pictures == first.pictures).all()


def shown(painter: dict, colour: str) -> dict:
    return {"picture": painter["picture"] | {"in_hole": colour}}


def two(path: Path, kind: str, **output) -> dict:
    """`results` of a TorchScript file that takes picture and mask apart, in [0, 1]."""
    return {
        "kind": "torchscript",
        "path": script(Two(kind), path / "two.pt").name,
        "inputs": ["picture", "mask"],
        "picture": {"colours": "rgb", "range": [0, 1], "in_hole": "black"},
        "mask": {"missing": 1, "known": 0},
        "output": {"colours": "rgb", "range": [0, 1], "beyond": "refused", **output},
        "size_divisor": 1,
    }


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("nan", r"finite and from 0 to 1, found values from nan to nan, so nothing is recorded; see output\.range"),
        (
            "brighter",
            r"two\.pt: asked for one output of \(2, 3, 36, 36\), .* to 1, found values from 0\.5 to 1\.\d+, so",
        ),
        ("grey", r"asked for one output of \(2, 3, 36, 36\), found \(2, 1, 36, 36\); accepted: a picture for each"),
        ("narrow", r"two\.pt: The size of tensor a \(13\) must match the size of tensor b \(36\) at non-single"),
    ],
)
def test_an_output_that_is_no_picture_ends_in_one_line(measured, tmp_path, kind, said):
    with pytest.raises(InputError, match=said) as refused:
        measured(two(tmp_path, kind))
    assert str(refused.value).startswith("params.yaml: external.theirs.results: two.pt: ")
    assert len(str(refused.value).splitlines()) == 1 and not (tmp_path / "results").exists()


def test_values_beyond_the_range_are_clipped_where_the_section_says_so(measured, tmp_path):
    found = measured(two(tmp_path, "brighter", beyond="clipped"))
    known = ~found.holes
    expected = np.minimum(found.pictures[known].astype(int) + 128, 255)  # 0.5 is 127.5 of 255
    assert np.abs(found.outputs[known].astype(int) - expected).max() <= 1
    with pytest.raises(InputError, match="found values from nan to nan"):
        measured(two(tmp_path, "nan", beyond="clipped"))


def test_two_inputs_come_in_the_order_that_is_declared(measured, tmp_path):
    results = two(tmp_path, "mask")
    found = measured(results)
    assert (found.outputs == found.holes[..., None] * 255).all()
    with pytest.raises(InputError, match=r"found \(2, 1, 36, 36\)|expand"):
        measured(results | {"inputs": ["mask", "picture"]})
    with pytest.raises(InputError, match=r"two\.pt: forward\(\) is missing value for argument 'mask'"):
        measured(results | {"inputs": ["mask + picture"]})


def test_a_file_that_draws_at_random_draws_the_same_again(measured, tmp_path):
    first = measured(two(tmp_path, "random")).outputs
    torch.manual_seed(5)
    assert (measured(two(tmp_path, "random")).outputs == first).all()


def test_a_file_that_is_no_model_ends_in_one_line(measured, tmp_path, painter):
    torch.save({"weight": torch.zeros(1)}, tmp_path / painter["path"])
    with pytest.raises(InputError, match=rf"external\.theirs\.results: {painter['path']}: .*(constants\.pkl|Protobuf)"):
        measured(painter)


SEES = {"image": [1, 3, 40, 40], "mask": [1, 1, 40, 40]}
KEEPS = [("Min", ["image", "mask"], "out", {})]  # the picture, black where the mask is 0


def of_bytes(path: Path, inputs: dict = SEES, kind: str = "UINT8", outputs: int = 1) -> dict:
    """`results` of a graph of 8-bit pictures, as large as it declares."""
    nodes = KEEPS + [("Max", ["image", "mask"], "second", {})] * (outputs - 1)
    return {
        "kind": "onnx",
        "path": graph(path / "bytes.onnx", inputs, nodes, {}, kind, outputs).name,
        "inputs": ["picture", "mask"],
        "picture": {"colours": "rgb", "range": [0, 255], "in_hole": "white"},
        "mask": {"missing": 0, "known": 255},
        "output": {"colours": "rgb", "range": [0, 255], "beyond": "refused"},
        "size_divisor": 8,
    }


def test_a_graph_of_one_picture_of_eight_bits_at_a_time(measured, tmp_path):
    found = measured(of_bytes(tmp_path))
    assert (found.outputs == found.pictures * ~found.holes[..., None]).all()


def test_a_graph_that_takes_something_else_is_refused(measured, tmp_path):
    fixed = of_bytes(tmp_path) | {"size_divisor": 1}
    said = r"bytes\.onnx: input image takes 1 x 3 x 40 x 40, given 1 x 3 x 36 x 36; accepted: .*; size_divisor pads"
    with pytest.raises(InputError, match=said):
        measured(fixed)
    with pytest.raises(InputError, match=r"given 1 inputs, takes 2 \(image, mask\); see inputs"):
        measured(fixed | {"inputs": ["mask + picture"]})
    with pytest.raises(InputError, match=r"input image takes tensor\(double\); accepted: tensor\(float\), tensor"):
        measured(of_bytes(tmp_path, kind="DOUBLE"))
    with pytest.raises(InputError, match=r"gives 2 outputs \(out, second\); accepted: a graph with one"):
        measured(of_bytes(tmp_path, outputs=2))
    with pytest.raises(InputError, match=r"input image takes 3 x 40 x 40, given 1 x 3 x 40 x 40"):
        measured(of_bytes(tmp_path, {"image": [3, 40, 40], "mask": [1, 40, 40]}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"inputs": ["picture"]},
            r"results\.inputs is \['picture'\]: accepted: picture and mask, as two inputs or joi",
        ),
        ({"inputs": ["picture + mask", "mask"]}, r"inputs is .*: accepted: picture and mask"),
        ({"mask": {"missing": 1, "known": 1}}, r"results\.mask: missing and known are both 1; accepted: two values"),
        (
            {"picture": {"colours": "bgr", "range": [1, 0], "in_hole": "grey"}},
            r"picture\.range is \[1, 0\]: accepted: ",
        ),
        (
            {"picture": {"colours": "bgr", "range": [0, 1], "in_hole": "kept"}},
            r"in_hole is 'kept'; accepted: 'black', 'wh",
        ),
        ({"size_divisor": 0}, r"results\.size_divisor is 0"),
    ],
)
def test_a_form_that_cannot_be_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        build(Made, {"results": {"kind": "torchscript", "path": "a.pt", **AS_IT_IS, **changes}}, "")


def test_check_finds_a_missing_file_and_a_missing_package(tmp_path, monkeypatch):
    results = build(Made, {"results": {"kind": "onnx", "path": str(tmp_path / "a.onnx"), **AS_IT_IS}}, "").results
    with pytest.raises(InputError, match=r"asked for a model in .*a\.onnx, found no such file"):
        results.check(["rectangle"])
    (tmp_path / "a.onnx").touch()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"onnxruntime is not installed; `pip install onnxruntime` installs it"):
        results.check(["rectangle"])
