"""What the page shows on demand: every run's pictures, their values, and each run's provenance.

Pictures are `<slot>/original/<place>.png` and `<slot>/<holes>/<run>/<place>.png`, where `input` stands for the run that
fills nothing and a picture's place is its number in the test split. Pictures wider than SMALL px have a twin of that
size, `<place>.webp`. `first/` holds the pictures with which the page begins. Values and provenance are scripts: a page
in the file system may load no other data.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from palimpsest.data.shards import Shard
from palimpsest.holes.bank import read_index
from palimpsest.papers.metrics import REGIONS, Metrics, read_metrics
from palimpsest.papers.paper import read_papers
from palimpsest.results.measured import Measured
from palimpsest.results.names import method_names
from palimpsest.results.samples import Arrays, Scene, read_kept, read_scene
from palimpsest.storage import replacing, write_text
from palimpsest.workspace import ReportFiles, Workspace

SMALL, LARGE = 160, 720  # px, the width of a thumbnail, and of a picture with which the page begins
QUALITY = "lpips_alex"  # chooses them
BINS, WORST = 16, 6  # of a histogram; pictures that are named
ORIGINAL, INPUT = "original", "input"


@dataclass(frozen=True)
class PictureSet:
    """The results of one scene that the gallery shows together: filled pictures, or pictures pieced of references."""

    measured_as: str  # the kind of hole, and `/pieced` where pictures were pieced together
    scene: Scene

    @property
    def pieced(self) -> bool:
        return self.measured_as != self.scene.hole

    def kept(self, arrays: Arrays) -> dict[int, np.ndarray]:
        """{place: picture} of what a run kept, uint8 (H, W, 3): its samples, then its worst."""
        if self.pieced:
            pieced = zip(arrays["index"].tolist(), arrays.get(self.measured_as, ()), strict=False)
            return {place: self.scene.pieced(place, picture) for place, picture in pieced}
        found, hole = {}, self.scene.hole
        for part, index in ((hole, "index"), (f"worst/{hole}", f"worst/{hole}/index")):
            if index in arrays:
                found |= dict(zip(arrays[index].tolist(), arrays[f"{part}/result"], strict=True))
        return found


@dataclass(frozen=True)
class Gallery:
    """Writes what the page shows of the results under `root` into `folder`."""

    root: Path
    measured: Measured
    files: ReportFiles

    @cached_property
    def metrics(self) -> Metrics:
        return read_metrics()

    @cached_property
    def _sets(self) -> list[PictureSet]:
        """Every set of pictures, in the order of the page."""
        return list(self._read_sets())

    def _read_sets(self) -> Iterator[PictureSet]:
        for slot in self.measured.slots:
            results = [result for result in self.measured.results.values() if result.slot == slot]
            for measured_as in dict.fromkeys(hole for result in results for hole in result.holes):
                yield PictureSet(measured_as, read_scene(self.root, slot, measured_as.removesuffix("/pieced")))

    @cached_property
    def _shards(self) -> dict[str, Shard]:
        return {each.scene.slot: each.scene.shard for each in self._sets}

    @cached_property
    def _banks(self) -> dict[str, dict]:
        workspace = Workspace(self.root)
        return {slot: read_index(workspace.slot(slot).holes) for slot in self.measured.slots}

    def write(self) -> None:
        """Pictures, values and provenance, and `index.json`, which names them."""
        kept = {run: self._write_kept(run) for run in self.measured.results}
        first = self._first(kept)
        sets = [self._write_set(each, kept) for each in self._sets]
        names = method_names(self.measured)
        runs = {run: {"label": names[run], **self._write_provenance(run)} for run in self.measured.runs}
        slots = {slot: asdict(self.measured.pictures(slot)) for slot in self.measured.slots}
        own = [paper.label for paper in read_papers().values()]
        index = {"small": SMALL, "slots": slots, "sets": sets, "runs": runs, "metrics": self._explained()}
        write_text(self.files.gallery_index, json.dumps({**index, "own": own, "first": first}, ensure_ascii=False))

    def _first(self, kept: dict[str, dict[str, list[int]]]) -> dict | None:
        """Writes the picture with which the page begins; what the index says of it, none without two methods.

        It is one of the largest, filled by the two best methods there; the better has its median on it.
        """
        found = [(each, self._ranked(each)) for each in self._sets if not each.pieced]
        found = [(each, runs) for each, runs in found if len(runs) > 1]
        if not found:
            return None
        chosen, (left, right, *_) = max(found, key=lambda pair: self.measured.pictures(pair[0].scene.slot).size)
        scene = chosen.scene
        values = self.measured.values(left)[scene.hole][QUALITY][0]  # as the pictures, of the first seed
        places = sorted(set(kept[left][scene.hole]) & set(kept[right][scene.hole]), key=lambda place: values[place])
        place = places[(len(places) - 1) // 2]
        pictures = {ORIGINAL: scene.shard[place], INPUT: scene.input(place)}
        for side, run in (("left", left), ("right", right)):
            pictures[side] = chosen.kept(read_kept(self.root, self.measured, run))[place]
        for name, picture in pictures.items():
            width, height = save_thumbnail(self.files.gallery / "first" / f"{name}.webp", picture, LARGE)
        about = {"slot": scene.slot, "holes": scene.hole, "place": place, "id": scene.shard.ids[place]}
        about |= {"ratio": round(float(scene.bank.ratios[place]), 4), "metric": QUALITY}
        return {**about, "left": left, "right": right, "width": width, "height": height}

    def _ranked(self, each: PictureSet) -> list[str]:
        """The runs of a set that QUALITY was measured of, the best first."""
        hole = each.measured_as
        runs = self.measured.kept(each.scene.slot, hole)
        found = {run: self.measured.aggregate(run, hole, QUALITY) for run in runs}
        return sorted((run for run in runs if found[run]), key=lambda run: found[run].mean)

    def _explained(self) -> dict[str, dict]:
        words = ("head", "digits", "direction", "definition")
        return {
            name: {word: getattr(metric, word) for word in words}
            | {"of": REGIONS[metric.of], "single": metric.of != "set"}
            for name, metric in self.metrics.items()
        }

    def _write_kept(self, run: str) -> dict[str, list[int]]:
        """The pictures that a run kept; {what they were measured as: their places}."""
        arrays, kept = read_kept(self.root, self.measured, run), {}
        for each in self._sets:
            if run in self.measured.kept(each.scene.slot, each.measured_as):
                pictures = each.kept(arrays)
                self._write_pictures(Path(each.scene.slot, each.measured_as, run), pictures)
                kept[each.measured_as] = sorted(pictures)
        return kept

    def _write_set(self, each: PictureSet, places_of: dict[str, dict[str, list[int]]]) -> dict:
        """The inputs of a set and the values of the pictures that runs kept; what the index says of it."""
        scene, measured_as = each.scene, each.measured_as
        runs = self.measured.kept(scene.slot, measured_as)
        kept = {run: places_of[run][measured_as] for run in runs}
        places = sorted(set().union(*kept.values()))
        if not each.pieced:
            self._write_pictures(Path(scene.slot, scene.hole, INPUT), {i: scene.input(i) for i in places})
            self._write_pictures(Path(scene.slot, ORIGINAL), {i: scene.shard[i] for i in places})
        ids, ratios = scene.shard.ids, scene.bank.ratios
        values = {
            "places": places,
            "ids": [ids[i] for i in places],
            "ratios": [round(float(ratios[i]), 4) for i in places],
            "kept": kept,
            "values": {run: self._values(run, measured_as, places) for run in kept},
        }
        self._write_script(f"values/{scene.slot}/{measured_as}", values)
        return {"slot": scene.slot, "holes": measured_as, "runs": list(kept), "pictures": len(places)}

    def _values(self, run: str, measured_as: str, places: list[int]) -> dict[str, list[float]]:
        """Of the first seed, whose pictures are kept."""
        found = self.measured.values(run)[measured_as]
        return {
            name: [_short(value) for value in found[name][0, places].tolist()] for name in found if name != "hole_ratio"
        }

    def _write_pictures(self, folder: Path, pictures: dict[int, np.ndarray]) -> None:
        for place, picture in pictures.items():
            path = self.files.gallery / folder / f"{place}.png"
            with replacing(path) as temporary:
                temporary.write_bytes(cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))[1])
            if picture.shape[1] > SMALL:
                save_thumbnail(path.with_suffix(".webp"), picture, SMALL)

    def _write_provenance(self, run: str) -> dict:
        """Where a run's numbers come from; what the index says of it."""
        described = self.measured.runs[run]
        about = {
            "stage": f"{described.stage}@{run}",
            "settings": _yaml(_explained(described.run) | described.measured),
            "fingerprint": described.settings,
            "parameters": described.parameters,
            "source": described.source,
            "cost": self._cost(run),
        }
        if result := self.measured.results.get(run):
            shard = self._shards[result.slot]
            pictures = asdict(self.measured.pictures(result.slot))
            about |= {
                "maker" if described.source else "model": result.model,
                "code": result.code,
                "current": result.code == described.code,
                "profile": result.profile,
                "seeds": result.seeds,
                "slot": result.slot,
                "data": {**pictures, "sha256": shard.fingerprint},
                "ids": shard.ids,
                "holes": {holes: self._scored(run, holes) for holes in result.holes},
            }
        self._write_script(f"provenance/{run}", about)
        return {"results": result is not None}

    def _cost(self, run: str) -> dict | None:
        """What the benchmark found of a run."""
        if (found := self.measured.architecture(run)) is None:
            return None
        benchmark = self.measured.benchmark
        devices = {device: benchmark.on(device) for device in benchmark.devices}
        measured = found.model_dump()["measured"]
        return {"devices": devices, "rounds": benchmark.rounds, "measured": measured, "alike": found.runs}

    def _scored(self, run: str, holes: str) -> dict:
        """A run's holes of one kind, and for each metric the mean, a histogram and the first seed's worst pictures."""
        bank = self._banks[self.measured.results[run].slot][holes.removesuffix("/pieced")]
        values, result = self.measured.values(run)[holes], self.measured.results[run]
        metrics = {}
        for name in result.holes[holes]:
            found = {**asdict(result.aggregate(holes, name)), "by_seed": result.by_seed[holes][name]}
            if name in values:
                found |= {"histogram": histogram(values[name].mean(0)), "worst": self._worst(name, values[name][0])}
            metrics[name] = found
        return {"bank": bank, "metrics": metrics}

    def _worst(self, metric: str, values: np.ndarray) -> list[tuple[int, float]]:
        """(place, value) of the worst pictures, worst first; none of a metric that has no better or worse."""
        sign = {"lower": -1, "higher": 1, "none": 0}[self.metrics[metric].direction]
        order = [i for i in np.argsort(sign * values, kind="stable").tolist() if not np.isnan(values[i])]
        return [(i, _short(values[i].item())) for i in order[:WORST]] if sign else []

    def _write_script(self, name: str, value: dict) -> None:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        write_text(self.files.gallery / f"{name}.js", f"receive({json.dumps(name)},{text});\n")


def histogram(values: np.ndarray) -> dict:
    """How many of the finite values lie in each of BINS equal parts of their range, and how many are not finite."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {"low": 0.0, "high": 0.0, "counts": [], "beside": len(values)}
    counts, edges = np.histogram(finite, BINS)
    low, high = _short(edges[0].item()), _short(edges[-1].item())
    return {"low": low, "high": high, "counts": counts.tolist(), "beside": len(values) - len(finite)}


def save_thumbnail(path: Path, picture: np.ndarray, width: int) -> tuple[int, int]:
    """Writes uint8 (H, W, 3) averaged down to `width` px at most, as WebP; returns its width and height."""
    height, full = picture.shape[:2]
    if full > width:
        size = (width, max(1, round(height * width / full)))
        picture = cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA)
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, quality=80, method=1)
    return picture.shape[1], picture.shape[0]


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _explained(run: dict) -> dict:
    """A run's settings, and those of the runs it needs, without the name under which errors explain them."""
    return {key: _explained(value) if isinstance(value, dict) else value for key, value in run.items() if key != "at"}


def _yaml(tree: dict) -> str:
    text = io.StringIO()
    writer = YAML(typ="safe")
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False
    writer.dump(tree, text)
    return text.getvalue()
