"""Models in files of anyone's making, run as they are: ONNX graphs and TorchScript modules.

A section of params.yaml's `external` says in which form its file takes a picture with its mask, and gives its output.
What lies under the hole is never shown to it.
"""

import importlib.util
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from pydantic import AfterValidator, Field, PositiveInt, model_validator
from torch import Tensor

from palimpsest.config.paths import for_dvc
from palimpsest.config.yaml import InputError, Settings
from palimpsest.evaluation.filling import Filled, cropped
from palimpsest.inpainting import BEYOND, continued, to_pixels, to_tensors
from palimpsest.layers.compositing import HoleColour, cover
from palimpsest.storage import sha256

SEED = 0  # of what a file draws at random, for every batch
LONGEST = 300  # characters of what a file's own code says of its failure
ONNX_TYPES = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16, "tensor(uint8)": torch.uint8}

Input = Literal["picture", "mask", "picture + mask", "mask + picture"]
Network = Callable[[list[Tensor]], Any]


def _rising(range_: list[float]) -> list[float]:
    if not range_[0] < range_[1]:
        raise ValueError("accepted: the value of black, then a larger one of white")
    return range_


def _both(inputs: list[str]) -> list[str]:
    if sorted(" + ".join(inputs).split(" + ")) != ["mask", "picture"]:
        raise ValueError("accepted: picture and mask, as two inputs or joined by ' + ' in one")
    return inputs


class Colours(Settings):
    """How a file writes a picture."""

    colours: Literal["rgb", "bgr"]
    range: Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_rising)]  # of black and of white

    def write(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1], RGB → as the file has it."""
        black, white = self.range
        return self._ordered(image) * (white - black) + black

    def read(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) as the file has it → RGB, in [0, 1] where it is in the range."""
        black, white = self.range
        return self._ordered(picture - black) / (white - black)

    def _ordered(self, picture: Tensor) -> Tensor:
        return picture.flip(1) if self.colours == "bgr" else picture


class Picture(Colours):
    """The picture that a file takes."""

    in_hole: HoleColour


class Mask(Settings):
    """The mask that a file takes."""

    missing: float  # its value where pixels are missing
    known: float

    @model_validator(mode="after")
    def _tells_them_apart(self) -> Self:
        if self.missing == self.known:
            raise ValueError(f"missing and known are both {self.known:g}; accepted: two values")
        return self

    def write(self, hole: Tensor) -> Tensor:
        """(B, 1, H, W), 1 = missing → as the file has it."""
        return hole * (self.missing - self.known) + self.known


class Output(Colours):
    """The picture that a file gives."""

    beyond: Literal["refused", "clipped"]  # values outside of the range


class ModelFile(Settings):
    """A file that takes pictures and masks, (B, C, H, W), and gives one picture for each."""

    path: str
    inputs: Annotated[list[Input], AfterValidator(_both)]  # in the file's order; "+" joins channels
    picture: Picture
    mask: Mask
    output: Output
    size_divisor: PositiveInt  # pictures are padded, so that both sides are multiples of it

    def check(self, kinds: Sequence[str]) -> None:
        """InputError where there is no such file."""
        if not Path(self.path).is_file():
            raise InputError(f"asked for a model in {self.path}, found no such file{for_dvc(self.path)}")

    def written(self, image: Tensor, hole: Tensor) -> list[Tensor]:
        """The file's inputs, of pictures in [0, 1] with their holes."""
        parts = {"picture": self.picture.write(cover(image, hole, self.picture.in_hole)), "mask": self.mask.write(hole)}
        return [torch.cat([parts[part] for part in joined.split(" + ")], 1) for joined in self.inputs]


class OnnxFile(ModelFile):
    """`results` of kind `onnx`."""

    kind: Literal["onnx"]

    def check(self, kinds: Sequence[str]) -> None:
        """InputError where there is no such file, or nothing to run it with."""
        super().check(kinds)
        if not importlib.util.find_spec("onnxruntime"):
            raise InputError("kind is onnx, and onnxruntime is not installed; `pip install onnxruntime` installs it")

    def open(self, at: str, device: torch.device | str) -> "FileModel":
        """The model at work, on the CPU; `at` names the section in errors."""
        return FileModel(self, at, "cpu", OnnxGraph)


class TorchScriptFile(ModelFile):
    """`results` of kind `torchscript`."""

    kind: Literal["torchscript"]

    def open(self, at: str, device: torch.device | str) -> "FileModel":
        """The model at work on a device; `at` names the section in errors."""
        return FileModel(self, at, device, TorchScriptModule)


class FileModel:
    """A model in a file, at work on a device."""

    def __init__(
        self, config: ModelFile, at: str, device: torch.device | str, load: Callable[[str, torch.device | str], Network]
    ):
        self.config, self.at, self.device = config, f"{at}: {config.path}", device
        self.maker = f"{Path(config.path).name}, sha256 {sha256(config.path)}"
        with self._in_one_line():
            self.network = load(config.path, device)

    @torch.inference_mode()
    def fill(self, kind: str, ids: Sequence[str], pictures: np.ndarray, holes: np.ndarray) -> Filled:
        """InputError where the file fails, or gives no picture of that size and in the range that it declares."""
        image, hole = continued(self.config, *(tensor.to(self.device) for tensor in to_tensors(pictures, holes)))
        torch.manual_seed(SEED)
        with self._in_one_line():
            output = self.network(self.config.written(image, hole))
        output = self.config.output.read(self._checked(output, image))
        return Filled(ids, pictures, holes, to_pixels(cropped(output, pictures)))

    def _checked(self, output: Any, image: Tensor) -> Tensor:
        """The output as float32, in the range of the file."""
        asked = f"{self.at}: asked for one output of {tuple(image.shape)}"
        found = tuple(output.shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
        if found != tuple(image.shape):
            raise InputError(f"{asked}, found {found}; accepted: a picture for each, and as large")
        output, declared = output.float(), self.config.output
        (least, largest), (black, white) = (value.item() for value in output.aminmax()), declared.range
        slack = BEYOND * (white - black)
        outside = least < black - slack or largest > white + slack
        if not math.isfinite(largest - least) or (outside and declared.beyond == "refused"):
            asked = f"{asked}, finite and from {black:g} to {white:g}"
            found = f"found values from {least:.4g} to {largest:.4g}, so nothing is recorded"
            raise InputError(f"{asked}, {found}; see output.range and output.beyond")
        return output

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        """Whatever the code of a file's author raises, as an InputError."""
        try:
            yield
        except Exception as error:
            said = " ".join(str(error).rpartition("Error: ")[2].split())  # TorchScript gives a traceback before it
            raise InputError(f"{self.at}: {said[:LONGEST]}") from error


class OnnxGraph:
    """An ONNX file, run by onnxruntime on the CPU."""

    def __init__(self, path: str, device: torch.device | str):
        import onnxruntime  # no other stage needs it

        onnxruntime.set_seed(SEED)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = self.session.get_inputs()

    def __call__(self, inputs: list[Tensor]) -> Any:
        """One by one where the graph takes no other number of pictures at once."""
        if len(inputs) != len(self.inputs):
            names = ", ".join(each.name for each in self.inputs)
            raise InputError(f"given {len(inputs)} inputs, takes {len(self.inputs)} ({names}); see inputs")
        if any(each.shape[:1] == [1] for each in self.inputs):
            outputs = [self._run(one) for one in zip(*(tensor.split(1) for tensor in inputs), strict=True)]
        else:
            outputs = [self._run(inputs)]
        return torch.cat(outputs)

    def _run(self, inputs: Sequence[Tensor]) -> Tensor:
        given = {each.name: _fitting(each, tensor) for each, tensor in zip(self.inputs, inputs, strict=True)}
        outputs = self.session.run(None, given)
        if len(outputs) > 1:
            names = ", ".join(each.name for each in self.session.get_outputs())
            raise InputError(f"gives {len(outputs)} outputs ({names}); accepted: a graph with one")
        return torch.from_numpy(outputs[0])


def _fitting(declared, tensor: Tensor) -> np.ndarray:
    """A graph's input in the type that the graph declares; InputError for another size or type than it takes."""
    given = tuple(tensor.shape)
    pairs = zip(declared.shape, given, strict=False)
    if len(declared.shape) != len(given) or any(isinstance(side, int) and side != size for side, size in pairs):
        takes, found = (" x ".join(map(str, sides)) for sides in (declared.shape, given))
        accepted = "pictures and inputs of that size; size_divisor pads pictures"
        raise InputError(f"input {declared.name} takes {takes}, given {found}; accepted: {accepted}")
    if declared.type not in ONNX_TYPES:
        raise InputError(f"input {declared.name} takes {declared.type}; accepted: {', '.join(ONNX_TYPES)}")
    kind = ONNX_TYPES[declared.type]
    return (tensor if kind.is_floating_point else tensor.round()).to(kind).numpy()


class TorchScriptModule:
    """A TorchScript file, unoptimised: the optimiser would change how it computes after its first batches."""

    def __init__(self, path: str, device: torch.device | str):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit.load` is deprecated", DeprecationWarning)
            self.module = torch.jit.load(path, map_location=device).eval()

    def __call__(self, inputs: list[Tensor]) -> Any:
        with torch.jit.optimized_execution(False):
            return self.module(*inputs)
