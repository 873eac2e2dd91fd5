import copy
import time
from dataclasses import asdict
from random import Random
from typing import Annotated, Literal

import pytest
from pydantic import Field, PositiveInt

from palimpsest.config import runs
from palimpsest.config.yaml import LINES, InputError, Name, Settings, build, choices, digest, merge, read_yaml, section
from palimpsest.papers.paper import read_papers
from palimpsest.settings.check import check

TRANSFER = {"run": "deepfill-v1", "slot": "unseen", "holes": ["square"]}
FOLDER = {"kind": "folder", "path": "nowhere"}
ELSEWHERE = {"label": "theirs", "source": "a page", "slot": "scenes", "holes": ["rectangle"], "results": FOLDER}
RISING = {"name": "a", "iterations": 1, "learning_rate": {"highest": 0.1, "lowest": 0.2, "periods": 1}}
FACES = {
    "dataset": "bundled-photos",
    "scale": 64,
    "size": 64,
    "resize": "box",
    "small": "reject",
    "crop": "tiles",
}


class Inner(Settings):
    count: int
    kind: Literal["a", "b"]


class Outer(Settings):
    inner: Inner
    weight: float


GOOD = {"inner": {"count": 1, "kind": "a"}, "weight": 1}


def changed(path: str, value) -> dict:
    tree = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    section(tree, *parents)[last] = value
    return tree


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("inner.cuont", 1, "params.yaml: top.inner.cuont is not a setting (found 1)"),
        ("inner.count", "1", "params.yaml: top.inner.count is '1'; accepted: a whole number"),
        ("inner.count", 1.5, "params.yaml: top.inner.count is 1.5"),
        ("inner.kind", "c", "params.yaml: top.inner.kind is 'c'; accepted: 'a' or 'b'"),
        ("weight", float("nan"), "params.yaml: top.weight is nan; accepted: a finite number"),
    ],
)
def test_a_wrong_setting_is_named_in_full(path, value, said):
    with pytest.raises(InputError) as error:
        build(Outer, changed(path, value), "top")
    assert said in str(error.value)


def test_a_missing_setting_is_named_in_full():
    with pytest.raises(InputError, match=r"params.yaml: top\.inner\.kind is missing"):
        build(Outer, {"inner": {"count": 1}, "weight": 1.0}, "top")


def test_a_whole_number_serves_where_a_fraction_may_stand():
    assert build(Outer, GOOD, "top").weight == 1.0


def test_merge_replaces_leaves_and_refuses_what_changes_nothing():
    assert merge(GOOD, {"inner": {"kind": "b"}}, "at") == {"inner": {"count": 1, "kind": "b"}, "weight": 1}
    assert GOOD["inner"]["kind"] == "a"
    with pytest.raises(InputError, match=r"at\.inner\.knid is not a setting of its base; accepted: count, kind"):
        merge(GOOD, {"inner": {"knid": "b"}}, "at")
    with pytest.raises(InputError, match=r"at\.inner is 3, where the settings hold"):
        merge(GOOD, {"inner": 3}, "at")


def test_section_names_the_first_key_that_is_missing():
    with pytest.raises(InputError, match=r"params.yaml: inner\.deep is missing; found here: count, kind"):
        section(GOOD, "inner", "deep", "deeper")


def test_digest_ignores_the_order_of_keys_and_sees_every_value():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1,\nb: }", ", line 2: expected the node content, but found '}'; accepted: a file that YAML 1.2 can read"),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", ", line 4: found the key b twice; accepted: once"),
        ("a: {b: 1, b: 1}", ", line 1: found the key b twice; accepted: once"),
        ("- 1", ": found no settings; accepted: a mapping of keys to values"),
    ],
)
def test_unreadable_yaml_is_one_line(tmp_path, text, said):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_yaml(path)
    assert str(error.value) == f"{path}{said}"


class Square(Settings):
    shape: Literal["square"]
    side: PositiveInt


class Star(Settings):
    shape: Literal["star"]
    rays: Annotated[list[PositiveInt], Field(min_length=2)]


class Drawing(Settings):
    part: Annotated[Square | Star, Field(discriminator="shape")]
    scale: PositiveInt | Annotated[list[PositiveInt], Field(min_length=2)]
    device: PositiveInt | Literal["auto"]
    named: dict[Name, int]


DRAWING = {"part": {"shape": "square", "side": 3}, "scale": 2, "device": "auto", "named": {}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"part": {"shape": "disc"}}, ["part.shape is 'disc'; accepted: square, star"]),
        ({"part": {"shape": ["star"], "rays": [1, 2]}}, ["part.shape is ['star']; accepted: square, star"]),
        ({"part": {"side": 3}}, ["part.shape is missing"]),
        ({"part": {"shap": "star", "side": 3}}, ["part.shape is missing; found shap in its place"]),
        ({"part": {1: "star", None: 3}}, ["part.shape is missing"]),
        ({"part": 3}, ["part is 3; accepted: a mapping of keys to values"]),
        ({"part": {"shape": "square", "side": 0}}, ["part.side is 0; accepted: a number above 0"]),
        ({"part": {"shape": "star", "rays": [1]}}, ["part.rays is [1]; accepted: 2 values or more"]),
        ({"scale": "x"}, ["scale is 'x'; accepted: a whole number or a list"]),
        ({"scale": [1, "x"]}, ["scale.1 is 'x'; accepted: a whole number"]),
        ({"device": "gpu"}, ["device is 'gpu'; accepted: a whole number or 'auto'"]),
        ({"named": {"A": 1}}, ["named.A is 'A'; accepted: a name of small letters, digits and hyphens"]),
        (
            {"named": {"A": "x", "b": "y"}},
            [
                "named.A is 'A'; accepted: a name of small letters, digits and hyphens",
                "named.A is 'x'; accepted: a whole number",
                "named.b is 'y'; accepted: a whole number",
            ],
        ),
    ],
)
def test_a_wrong_value_is_one_line_however_many_kinds_there_are(changes, said):
    build(Drawing, DRAWING, "")
    with pytest.raises(InputError) as error:
        build(Drawing, DRAWING | changes, "top", "file.yaml")
    assert str(error.value).splitlines() == [f"file.yaml: top.{line}" for line in said]


def test_the_shipped_settings_are_accepted(params, datasets, networks):
    check(params, datasets, networks)


def test_a_profiles_terms_are_accepted_once(params, datasets, networks):
    params["profile"] = "paper"
    for dataset in ("places2", "imagenet"):
        with pytest.raises(InputError, match=rf"`dvc exp run -S 'accepted_terms=\[.*{dataset}\]'`"):
            check(params, datasets, networks)
        params["accepted_terms"].append(dataset)
    check(params, datasets, networks)


def test_every_dataset_that_a_table_compares_with_can_be_had(datasets):
    tables = [table for paper in read_papers().values() for table in paper.tables.values()]
    compared = {condition.own for table in tables for condition in getattr(table, "data", [])}
    assert {"places2", "imagenet", "places2-pair"} < compared <= set(datasets)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (
            ("profile",),
            "huge",
            "params.yaml: profile: found 'huge'; accepted: tiny, small, small-streets, … (9 in all)",
        ),
        (("profile",), "tny", "params.yaml: profile: found 'tny'; accepted: tiny, … (9 in all)"),
        (
            ("profile",),
            "paper",
            "profiles.paper.slots.scenes: dataset places2 is under its owner's terms: Places2 is for",
        ),
        (
            ("profiles", "photos", "slots", "scenes", "dataset"),
            "places3",
            "dataset is 'places3'; accepted: places2, places2-256",
        ),
        (("profiles", "tiny", "slots", "scenes", "dataset"), "nvidia-masks", "nvidia-masks holds no photographs"),
        (
            ("profiles", "tiny", "slots", "scenes", "size"),
            256,
            "size 256 px; accepted: a multiple of 8, at most scale 192",
        ),
        (("profiles", "tiny", "slots", "scenes", "scale"), [192], "slots.scenes.scale"),
        (("accepted_terms",), ["places3"], "accepted_terms.0: found 'places3'; accepted: places2, places2-256"),
        (("accepted_terms",), ["bundled-photos"], "accepted_terms.0: found 'bundled-photos'; accepted: "),
        (("accepted_terms",), ["dtd", "dtd"], "accepted_terms is ['dtd', 'dtd']: 'dtd' appears twice"),
        (("runs", "deepfill-v1", "settings", "loss", "l1_hloe"), 1.0, "runs.deepfill-v1.settings.loss.l1_hloe"),
        (("runs", "deepfill-v1", "settings", "critic_steps"), -1, "critic_steps is -1"),
        (
            ("runs", "deepfill-v1", "settings", "width"),
            {"paper": 8, "foto": 8},
            "settings.width: found 'foto'; accepted",
        ),
        (("runs", "deepfill-v1", "settings", "width"), {"tiny": 8}, "runs.deepfill-v1.settings.width.paper is missing"),
        (("runs", "deepfill-v1", "settings", "widht"), {"tiny": 8}, "among them, or did you mean width?"),
        (("runs", "deepfill-v1-baseline", "settings", "widht"), {"tiny": 8}, "among them, or did you mean width?"),
        (
            ("runs", "deepfill-v1-lsgan", "settings", "adversarial"),
            "gan",
            "runs.deepfill-v1-lsgan.settings.adversarial",
        ),
        (
            ("runs", "deepfill-v1-lsgan", "base"),
            "patchmatch",
            "lsgan.settings.adversarial is not a setting",
        ),
        (
            ("runs", "deepfill-v1-lsgan", "base"),
            "deepfil",
            "v1-lsgan.base: found 'deepfil'; accepted: deepfill-v2, deepfill-v1",
        ),
        (
            ("runs", "deepfill-v2-cr", "ablates"),
            "deepfill",
            "runs.deepfill-v2-cr.ablates: found 'deepfill'; accepted: deepfill-v2, ",
        ),
        (("runs", "deepfill-v1-lsgan", "model"), "deepfill_v1", "runs.deepfill-v1-lsgan has a model and a base; accep"),
        (("runs", "deepfill-v1", "model"), None, "runs.deepfill-v1 has no model and no base; accepted: one of the two"),
        (("runs", "patchmatch", "holes"), None, "runs.patchmatch.holes is missing; accepted: the kinds"),
        (("runs", "deepfill-v1-lsgan", "slot"), "faces", "lsgan.slot: found 'faces'; accepted: scenes, unseen"),
        (
            ("runs", "patchmatch", "model"),
            "patchmtach",
            "runs.patchmatch.model: no method 'patchmtach'; accepted: patchmatch, …",
        ),
        (("holes", "kinds", "rectangle", "side"), 0, "params.yaml: holes.kinds.rectangle.side is 0"),
        (
            ("holes", "kinds", "rectangle", "shape"),
            "star",
            "params.yaml: holes.kinds.rectangle.shape is 'star'; accepted: stamps, square, …",
        ),
        (("holes", "kinds", "irregular-20-30", "up_to"), 0.2, "params.yaml: holes.kinds.irregular-20-30"),
        (
            ("holes", "kinds", "strokes-and-square", "of"),
            ["strokes", "random-squar"],
            "params.yaml: holes.kinds.strokes-and-square.of.1 is 'random-squar'; accepted: random-square, ",
        ),
        (
            ("runs", "patchmatch", "holes"),
            ["square", "star"],
            "runs.patchmatch.holes.1: asked for holes of kind 'star'",
        ),
        (("runs", "patchmatch", "holes"), [], "params.yaml: runs.patchmatch.holes is []"),
        (("external", "patchmatch"), ELSEWHERE, "external.patchmatch has the name of a run"),
        (
            ("external", "theirs"),
            {**ELSEWHERE, "slot": "faces"},
            "external.theirs.slot: found 'faces'; accepted: scenes",
        ),
        (
            ("external", "theirs"),
            {**ELSEWHERE, "holes": ["star"]},
            "external.theirs.holes.0: asked for holes of kind 'star'",
        ),
        (("external", "theirs"), ELSEWHERE, "external.theirs.results: asked for results in nowhere/rectangle, f"),
        (("transfers", "moved"), {**TRANSFER, "holes": ["square", "square"]}, "'square' appears twice"),
        (
            ("profiles", "photos", "study", "pictures"),
            25,
            "study.pictures is 25, evaluation.samples 24; accepted",
        ),
        (("profiles", "tiny", "study", "seed"), -1, "params.yaml: profiles.tiny.study.seed is -1"),
        (("profiles", "tiny", "seeds"), [], "params.yaml: profiles.tiny.seeds is []; accepted: 1 value or more"),
        (("profiles", "photos", "seeds"), [1, 2, 1], "profiles.photos.seeds is [1, 2, 1]: 1 appears twice; accepted"),
        (("profiles", "tiny", "seeds"), [1, -1], "params.yaml: profiles.tiny.seeds.1 is -1; accepted: 0 or more"),
        (("profiles", "tiny", "benchmark", "sizes"), [64, 64], "64 appears twice; accepted: each value once"),
        (("runs", "random-patches", "settings", "seed"), 2**70, "runs.random-patches.settings.seed is"),
        (
            ("runs", "crfill", "settings", "schedule", "phases"),
            [{"name": "warm-up", "iterations": 1, "learning_rate": 0.1}],
            "params.yaml: runs.crfill.settings.schedule.phases.0.name: found 'warm-up'; accepted: coarse,",
        ),
        (("transfers", "patchmatch"), TRANSFER, "transfers.patchmatch has the name of a run"),
        (("transfers", "moved"), {**TRANSFER, "run": "star"}, "transfers.moved.run: found 'star'; accepted: constant"),
        (("transfers", "moved"), {**TRANSFER, "slot": "scenes"}, "transfers.moved.slot is 'scenes', the run's own"),
        (("transfers", "moved"), {**TRANSFER, "slot": "faces"}, "transfers.moved.slot: asked for a slot 'faces'"),
        (
            ("transfers", "moved"),
            {**TRANSFER, "holes": ["star"]},
            "transfers.moved.holes.0: asked for holes of kind 'star'",
        ),
        (("external", "../evil"), ELSEWHERE, "external.../evil"),
        (("external", "crfill-on-unseen"), ELSEWHERE, "external.crfill-on-unseen has the name of a transfer"),
        (
            ("profiles", "tiny", "slots", "scenes", "dataset"),
            "bundled-science",
            "dataset bundled-science has no train split",
        ),
        (("profiles", "tiny", "benchmark", "sizes"), [100], "profiles.tiny.benchmark.sizes.0 is 100"),
        (("weights", "download"), "yes", "params.yaml: weights.download is 'yes'"),
        (("profiles", "tiny", "slots", "scenes", "size"), 60, "a multiple of 8"),
        (("profiles", "tiny", "extra"), 1, "profiles.tiny.extra is not a setting"),
        (("extra",), 1, "params.yaml: extra is not a setting"),
        (
            ("profiles", "tiny", "slots", "scenes", "siez"),
            1,
            "siez is not a setting (found 1); did you mean size?",
        ),
        (("profiles", "tiny", "slots", "scenes", "seed"), 1, "scenes.seed is not a setting (found 1); remove it"),
        (("runs",), {}, "params.yaml: runs is {}"),
        (
            ("holes", "kinds", "rectangle", "side"),
            300,
            "holes.kinds.rectangle: ",
        ),
        (
            ("profiles", "tiny", "slots", "faces"),
            FACES,
            "profiles.tiny.slots holds scenes, unseen, large, faces; accepted: the slots, scenes, unseen, large",
        ),
        (("runs", "deepfill-v1", "profiles"), {}, "runs.deepfill-v1.profiles is not a setting"),
        (
            ("runs", "tmad", "needs", "inside"),
            "tmad-coars",
            "runs.tmad.needs.inside: found 'tmad-coars'; accepted: tmad-coarse, ",
        ),
        (("runs", "tmad", "needs", "inside"), "nothing", "tmad: needs.inside is nothing; tmad works with the model of"),
        (("runs", "crfill", "needs", "inside"), "tmad-coarse", "needs.inside is tmad-coarse; crfill works alone"),
        (
            ("runs", "tmad", "needs", "inside"),
            "tmad-not-relativistic",
            "tmad-not-relativistic.needs: tmad needs tmad-not",
        ),
        (("runs", "tmad", "needs", "start"), "tmad-nc1", "needs.start is tmad-nc1, and tmad starts from none of its"),
        (("runs", "deepfill-v2-psnet", "needs", "start"), "nothing", "needs.start is nothing, and tmad starts from"),
        (("runs", "deepfill-v2-psnet", "needs", "start"), "tmad-nc1", "its network 'psnet' has other layers or sizes"),
        (
            ("runs", "deepfill-v2-psnet", "needs", "start"),
            "crfill",
            "it has no network 'correspondence'; accepted: gen",
        ),
        (("runs", "gm-srm", "needs", "inside"), "nothing", "embedding is progressive, needs.inside nothing; accepted:"),
        (("runs", "gm-srm", "needs", "inside"), "deepfill-v2", "needs.inside has no generative memory; accepted: a mo"),
        (("runs", "gm-srm-base", "needs", "inside"), "gm-srm-memory", "embedding is none, needs.inside a model"),
        (("pretrained", "gm-srm-memory", "frechet_network"), None, "gm-srm-memory.frechet_network is missing; acc"),
        (("pretrained", "tmad-coarse", "frechet_network"), "vgg16", "is vgg16, and tmad_coarse draws no pictures; ac"),
        (("pretrained", "gm-srm-memory", "settings", "schedule", "hole"), "brush", "stylegan2 with brush holes; accep"),
        (
            ("runs", "deepfill-v1", "settings", "schedule", "hole"),
            None,
            "deepfill_v1 without holes; accepted: rectangle,",
        ),
        (("pretrained", "gm-srm-memory", "settings", "deviation_group"), 5, "deviation_group is 5, schedule.batch_si"),
        (("runs", "nothing"), {}, "a run is called 'nothing'"),
        (("runs", "tmad", "settings", "schedule", "phases"), [RISING], "accepted: a rate that falls"),
        (("pretrained", "tmad"), {}, "pretrained.tmad has the name of a run"),
        (("pretrained", "tmad-coarse", "settings", "width"), 0, "pretrained.tmad-coarse.settings.width is 0"),
        (
            ("runs", "deepfill-v1", "settings", "schedule", "hole"),
            "star",
            "settings.schedule.hole: asked for",
        ),
        (
            ("runs", "deepfill-v1", "settings", "schedule", "phases"),
            [],
            "settings.schedule.phases is []",
        ),
        (("runs", "deepfill-v1", "settings", "padding"), "reflect", "accepted: zeros, or pictures above 64 px"),
        (
            ("runs", "deepfill-v1", "settings", "patch_size"),
            512,
            "patch_size is 512 px; accepted: at most",
        ),
        (("runs", "deepfill-v1", "settings", "width"), 1, "runs.deepfill-v1.settings.width is 1"),
        (("runs", "patchmatch", "settings", "seed"), -1, "runs.patchmatch.settings.seed is -1"),
    ],
)
def test_a_wrong_params_yaml_is_refused_before_anything_runs(params, keys, value, said, datasets, networks):
    *parents, last = keys
    section(params, *parents)[last] = value
    with pytest.raises(InputError) as error:
        check(params, datasets, networks)
    assert said in str(error.value)


def test_a_union_is_not_offered_as_a_part_of_itself(params, datasets, networks):
    params["holes"]["kinds"]["strokes-and-square"]["of"] = ["strokes", "strokes-and-squares"]
    with pytest.raises(InputError) as error:
        check(params, datasets, networks)
    assert str(error.value) == (
        "params.yaml: holes.kinds.strokes-and-square.of.1 is 'strokes-and-squares'; "
        "accepted: random-square, … (35 in all)"
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [("ab", "a1, b1"), ("x233", "x23, x3, x2, … (30 in all)"), ("unlike", "x0, x1, x2, … (30 in all)")],
)
def test_an_error_names_all_that_would_do_where_they_are_few_and_otherwise_what_is_alike(found, said):
    names = ["a1", "b1"] if found == "ab" else [f"x{number}" for number in range(30)]
    assert choices(names, found) == said


def test_a_run_is_its_base_at_the_profile_then_its_differences(params):
    base = params["runs"]["deepfill-v1"]["settings"]
    run = runs.resolve(params, "deepfill-v1-dcgan")
    assert run.settings["adversarial"] == "dcgan"
    assert run.settings["width"] == base["width"]["tiny"] != base["width"]["paper"]
    assert run.settings["loss"]["l1_hole"] == base["loss"]["l1_hole"]
    assert runs.resolve(params, "deepfill-v1-dcgan", "paper").settings["width"] == base["width"]["paper"]
    with pytest.raises(InputError, match=r"runs\.deepfill-v3 is missing; found here: deepfill-v2, "):
        runs.resolve(params, "deepfill-v3")


def test_a_variant_may_differ_from_its_base_at_one_profile(params):
    tiny, paper = (runs.resolve(params, "deepfill-v2-psnet", profile).settings for profile in ("tiny", "paper"))
    assert tiny["width"] == params["runs"]["tmad"]["settings"]["width"]["tiny"]
    assert (tiny["schedule"]["phases"][0]["iterations"], paper["schedule"]["phases"][0]["iterations"]) == (12, 10000)


@pytest.mark.parametrize("profile", runs.PROFILES)
def test_a_plain_value_in_place_of_one_for_each_profile_holds_at_all(params, profile):
    params["runs"]["deepfill-v1"]["settings"]["width"] = 5
    for name in ("deepfill-v1", "deepfill-v1-dcgan"):
        assert runs.resolve(params, name, profile).settings["width"] == 5


@pytest.mark.parametrize("profile", ["small-streets", "small-faces", "paper-streets", "paper-faces", "paper-pair"])
def test_gm_srms_data_sets_differ_from_their_scale_in_pictures(params, profile):
    scale = profile.split("-")[0]
    own, scales = params["profiles"][profile], params["profiles"][scale]
    assert {key for key in scales if own[key] != scales[key]} == {"slots"}
    assert {slot for slot in scales["slots"] if own["slots"][slot] != scales["slots"][slot]} == {"scenes"}
    for name in ("gm-srm-memory", "tmad", "pconv"):
        assert runs.resolve(params, name, profile).settings == runs.resolve(params, name, scale).settings


@pytest.mark.parametrize(
    ("run", "epochs", "batch"), [("gm-srm", 100, 8), ("lahiri", 100, 8), ("medfe", 60, 1), ("lbam", 500, 48)]
)
@pytest.mark.parametrize(
    ("profile", "pictures"), [("paper-pair", 74_000), ("paper-streets", 14_900), ("paper-faces", 27_000)]
)
def test_epochs_are_of_the_pictures_at_hand(params, datasets, run, epochs, batch, profile, pictures):
    schedule = runs.resolve(params, run, profile).settings["schedule"]
    assert datasets[params["profiles"][profile]["slots"]["scenes"]["dataset"]].counts.train == pictures
    assert schedule["batch_size"] == batch
    assert sum(phase["iterations"] for phase in schedule["phases"]) == pytest.approx(epochs * pictures / batch, abs=1)


def test_what_is_left_out_of_a_variant_is_its_bases(params):
    assert runs.target(params, "tmad-nc1").holes == ["rectangle"] != runs.target(params, "tmad").holes
    assert runs.target(params, "random-patches").holes == params["runs"]["nearest-patches"]["holes"]
    assert runs.resolve(params, "random-patches").model == "known_patches"
    params["pretrained"]["other"] = {"slot": "scenes", "base": "gm-srm-memory"}
    assert runs.frechet_network(params, "other") == "vgg16" and runs.frechet_network(params, "tmad") is None


def test_a_run_holds_those_that_it_needs_in_full(params):
    run = runs.resolve(params, "deepfill-v2-psnet")
    assert (run.start.name, run.start.inside.name, run.inside.name) == ("tmad", "tmad-coarse", "deepfill-v2")
    assert run.inside.start is None
    assert runs.Run.read(asdict(run)) == run
    before = runs.fingerprint(run, 64)
    params["pretrained"]["tmad-coarse"]["settings"]["loss"]["hole"] = 7.0
    assert runs.fingerprint(runs.resolve(params, "deepfill-v2-psnet"), 64) != before


def test_two_results_of_one_label_on_one_slot_are_refused(params, tmp_path, datasets, networks):
    (tmp_path / "square").mkdir()
    theirs = {**ELSEWHERE, "results": {**FOLDER, "path": str(tmp_path)}, "holes": ["square"]}
    params["external"] = {"one": theirs, "two": theirs}
    with pytest.raises(
        InputError, match=r"external\.one and external\.two share the label .* one for each label and slot"
    ):
        check(params, datasets, networks)


def with_other_memory(params):
    """GM-SRM recalls from a memory of a fourth slot's pictures."""
    params["slots"].append("others")
    for profile in params["profiles"].values():
        profile["slots"]["others"] = dict(profile["slots"]["scenes"])
    memory = {
        "slot": "others",
        "base": "gm-srm-memory",
    }
    params["pretrained"]["other-memory"] = memory
    params["runs"]["gm-srm"]["needs"]["inside"] = "other-memory"
    return params["profiles"]["tiny"]["slots"]["others"]


def test_a_memory_may_be_of_other_pictures(params, datasets, networks):
    with_other_memory(params)
    check(params, datasets, networks)
    inside = runs.resolve(params, "gm-srm").inside
    assert (inside.name, inside.slot) == ("other-memory", "others")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": 128}, "gm-srm.settings, profile tiny: needs other-memory, trained on 128 px; accepted: 64 px"),
        ({"dataset": "bundled-science"}, "profiles.tiny.slots.others: dataset bundled-science has no train split"),
    ],
)
def test_a_memory_of_pictures_that_do_not_fit_is_refused(params, changes, said, datasets, networks):
    slot = with_other_memory(params)
    slot |= changes
    with pytest.raises(InputError, match=said):
        check(params, datasets, networks)


@pytest.mark.parametrize(
    ("slot", "said"),
    [("others", "slots: nothing uses others; accepted:")],
)
def test_slots_that_cannot_be_are_refused(params, slot, said, datasets, networks):
    params["slots"].append(slot)
    with pytest.raises(InputError, match=said):
        check(params, datasets, networks)


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ({"highest": 0.1, "lowst": 0.0}, ["learning_rate.lowest is missing", "learning_rate.lowst is not a setting"]),
        ({"highest": 0.1, "lowest": 0.0, "periods": 0}, ["learning_rate.periods is 0; accepted: a number above 0"]),
        (-1.0, ["learning_rate is -1.0; accepted: a number above 1e-12"]),
    ],
)
def test_a_wrong_learning_rate_is_explained_by_its_own_kind(params, rate, said, datasets, networks):
    params["runs"]["gm-srm"]["settings"]["schedule"]["phases"]["tiny"][1]["learning_rate"] = rate
    with pytest.raises(InputError) as error:
        check(params, datasets, networks)
    lines = [f"params.yaml: runs.gm-srm.settings.schedule.phases.tiny.1.{line}" for line in said]
    assert len(str(error.value).splitlines()) == len(lines)
    assert all(line in str(error.value) for line in lines)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        ("runs.deepfill-v1.settings.width.photos", 0, "runs.deepfill-v1.settings.width.photos is 0"),
        ("runs.crfill.settings.schedule.phases.tiny.0.learning_rate", -1.0, None),
        ("runs.crfill.settings.schedule.phases.photos.1.iterations", 1.5, None),
        ("runs.random-patches.settings.choice", "x", None),
        ("runs.nearest-patches.settings.seed", -1, None),
        ("profiles.paper-streets.training.samples", -1, "profiles.paper.training.samples is -1"),
        ("profiles.paper-faces.slots.large.size", 0, "profiles.paper.slots.large.size is 0"),
        ("profiles.paper-faces.slots.scenes.size", 0, None),
        ("holes.kinds.strokes.length", [1], None),
        ("holes.kinds.strokes.strokes", 1, None),
        ("holes.kinds.irregular.of.7", "irregular-30-4", None),
    ],
)
def test_a_wrong_value_is_named_where_it_is_written(params, keys, value, said, datasets, networks):
    *parents, last = (int(key) if key.isdigit() else key for key in keys.split("."))
    place = params
    for key in parents:
        place = place[key]
    place[last] = value
    with pytest.raises(InputError) as error:
        check(params, datasets, networks)
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"params.yaml: {said or f'{keys} is {value!r}'}")


SLIPS = {
    "text": "sqare",
    "nothing": None,
    "30 digits": 10**30,
    "10^12": 10**12,
    "negative": -1,
    "zero": 0,
    "tiny": 1e-300,
    "huge": 1e300,
    "list": [1, 2],
    "mapping": {"a": 1},
    "long": "x" * 1000,
}


def every_place(tree, path=()):
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from every_place(value, (*path, key))


def slip(tree, path, kind):
    """Makes one mistake in a tree, and returns the words of which an error must hold one."""
    *above, key = path
    place = tree
    for step in above:
        place = place[step]
    if kind == "left out":
        del place[key]
    elif kind == "misspelt" and isinstance(place, dict):
        place[f"{key}z"] = place.pop(key)
    elif kind == "added" and isinstance(place[key], dict):
        place[key]["strange"] = 1
    else:
        place[key] = SLIPS.get(kind, "strange")
    return {str(step) for step in path if isinstance(step, str) and len(step) > 2}


def test_any_slip_is_refused_in_short_lines_that_name_a_key_and_at_once(shipped, datasets, networks):
    check(shipped, datasets, networks)
    random = Random(1)
    places, kinds = list(every_place(shipped)), [*SLIPS, "left out", "misspelt", "added"]
    refused = 0
    for path, kind in zip(random.sample(places, 20), random.choices(kinds, k=20), strict=True):
        tree = copy.deepcopy(shipped)
        words = slip(tree, path, kind)
        began = time.process_time()
        try:
            check(tree, datasets, networks)
        except InputError as error:
            refused += 1
            lines = str(error).splitlines()
            assert len(lines) <= LINES + 1 and all(len(line) <= 300 for line in lines), (path, kind, lines)
            assert any(word in lines[0] for word in words), (path, kind, lines)
            assert time.process_time() - began < 2, (path, kind)
    assert refused > 10


def test_a_prior_is_no_run(params, datasets, networks):
    prior = params["pretrained"]["gm-srm-memory"]
    fields = {key: value for key, value in prior.items() if key != "frechet_network"}
    nothing = {"start": "nothing", "inside": "nothing"}
    params["runs"]["prior"] = {**fields, "needs": nothing, "holes": ["rectangle"]}
    with pytest.raises(InputError, match=r"runs.prior: stylegan2 fills no holes; accepted: a section of pretrained"):
        check(params, datasets, networks)
