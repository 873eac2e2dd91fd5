"""What reruns: which stages' resolved files change with a setting or a source file, and what follows by dvc.yaml."""

import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from palimpsest import manifests
from palimpsest.data.catalogue import Dataset
from palimpsest.released.catalogue import Network
from palimpsest.settings.check import check
from palimpsest.settings.resolving import resolve_all

ROOT = Path(__file__).parents[2]
DEEPFILL_V1 = ["", "-baseline", "-spatial-transformer", "-appearance-flow", "-dcgan", "-lsgan", "-no-l1"]
OF_DEEPFILL_V1 = {f"{stage}@deepfill-v1{variant}" for stage in ("train", "evaluate") for variant in DEEPFILL_V1}
OF_DEEPFILL_V1 |= {"transfer@deepfill-v1-released", "transfer@deepfill-v1-mmagic-released"}  # settings of its run
TMAD = ["", "-free-form", "-nc1", "-nc2", "-nc6", "-weighted-sum", "-no-blending", "-not-relativistic"]
OF_TMAD = {f"{stage}@tmad{variant}" for stage in ("train", "evaluate") for variant in TMAD}
OF_TMAD |= {"train@deepfill-v2-psnet", "evaluate@deepfill-v2-psnet"}
OF_TMAD |= {"transfer@tmad-on-large", "transfer@tmad-free-form-on-large"}
WITH_MEMORY = ["gm-srm", "gm-srm-plain-noise", "gm-csv", "gm-bm"]
OF_GM_SRM = {f"{stage}@{run}" for stage in ("train", "evaluate") for run in WITH_MEMORY}
OF_MEMORY = OF_GM_SRM | {"train@lahiri", "evaluate@lahiri"}
ALWAYS = {"runs"}  # what the tables know of every run
SCENES = {"scenes", "unseen", "large"}


def resolved(tree: dict, datasets: dict[str, Dataset], networks: dict[str, Network]) -> dict[str, str]:
    """{stage or stage@what it takes: its resolved file}."""
    found = resolve_all(tree, check(tree, datasets, networks), datasets, networks)
    return {f"{stage}@{taken}" if taken else stage: json.dumps(part, sort_keys=True) for stage, taken, part in found}


@pytest.fixture(scope="module")
def before(shipped, datasets, networks) -> dict[str, str]:
    return resolved(shipped, datasets, networks)


@pytest.fixture
def changed(before, params, datasets, networks):
    """() → the stages whose resolved file differs from that of the shipped settings; gone and new ones with them."""

    def difference() -> set[str]:
        after = resolved(params, datasets, networks)
        return {stage for stage in before.keys() | after.keys() if before.get(stage) != after.get(stage)}

    return difference


def test_the_same_settings_resolve_to_the_same_files(changed):
    assert changed() == set()


def test_a_loss_weight_is_of_its_models_runs_alone(params, changed):
    params["runs"]["deepfill-v1"]["settings"]["loss"]["gradient_penalty"] = 5.0
    assert changed() == OF_DEEPFILL_V1 | ALWAYS | {"architectures"}


def test_a_variants_difference_is_its_own(params, changed):
    params["runs"]["deepfill-v1-baseline"]["settings"]["critic_steps"] = 2
    assert changed() == {"train@deepfill-v1-baseline", "evaluate@deepfill-v1-baseline"} | ALWAYS


def test_what_a_run_works_with_changes_by_its_own_settings_alone(params, changed):
    params["runs"]["tmad"]["settings"]["retrieval"]["candidates"] = 2
    own_candidates = {f"{stage}@tmad-nc{count}" for stage in ("train", "evaluate") for count in (1, 2, 6)}
    assert changed() == OF_TMAD - own_candidates | ALWAYS | {"architectures"}


def test_a_coarse_networks_weight_changes_all_that_it_works_in(params, changed):
    params["pretrained"]["tmad-coarse"]["settings"]["loss"]["valid"] = 0.5
    found = changed()
    assert (
        found
        == OF_TMAD - {"transfer@tmad-free-form-on-large", "train@tmad-free-form", "evaluate@tmad-free-form"}
        | {
            "pretrain@tmad-coarse",
            "architectures",
        }
        | ALWAYS
    )


def test_a_loss_of_gm_srm_leaves_its_memory(params, changed):
    params["runs"]["gm-srm"]["settings"]["loss"] |= {"hole": 6.0, "adversarial": 0.02}
    base = {"train@gm-srm-base", "evaluate@gm-srm-base"}
    assert changed() == OF_GM_SRM | base | ALWAYS
    params["pretrained"]["gm-srm-memory"]["settings"]["loss"]["r1"] = 2.0
    assert changed() == OF_MEMORY | base | ALWAYS | {"pretrain@gm-srm-memory"}


def test_a_memory_of_other_pictures_is_settings_alone(params, changed):
    params["slots"].append("others")
    for profile in params["profiles"].values():
        profile["slots"]["others"] = dict(profile["slots"]["scenes"])
    params["pretrained"]["other-memory"] = {"slot": "others", "base": "gm-srm-memory"}
    params["runs"]["gm-srm"]["needs"]["inside"] = "other-memory"
    made = {f"{stage}@others" for stage in ("download", "split", "holes", "reference")}
    assert changed() == made | {"pretrain@other-memory", "train@gm-srm", "evaluate@gm-srm"} | ALWAYS


def test_another_profiles_value_changes_no_run(params, changed):
    params["runs"]["deepfill-v1"]["settings"]["width"]["photos"] = 16
    assert changed() == set()


def test_a_hole_that_no_run_trains_on_is_of_holes_alone(params, changed):
    params["holes"]["kinds"]["drawn"]["outlines"]["other"][0] += " 93,80"
    measured_on_it = ALWAYS  # runs.json holds the holes that each result was measured on
    assert changed() == {f"holes@{slot}" for slot in SCENES} | measured_on_it


def test_a_hole_that_runs_train_on_retrains_them(params, changed):
    params["holes"]["kinds"]["rectangle"]["max_shrink"] = 8
    trained = {stage for stage in OF_DEEPFILL_V1 | OF_TMAD if stage.startswith("train@")} - {"train@tmad-free-form"}
    of_unions = {"train@deepfill-v2", "train@deepfill-v2-cr", "train@gl"}  # brush and, or, rectangle
    holes = {f"holes@{slot}" for slot in SCENES}
    assert changed() == trained | of_unions | {"pretrain@tmad-coarse"} | holes | ALWAYS


def test_where_a_run_is_measured_is_of_its_evaluation_alone(params, changed):
    params["runs"]["constant-fill"]["holes"] = ["rectangle"]
    params["transfers"]["crfill-on-unseen"]["holes"] = ["square"]
    assert changed() == {"evaluate@constant-fill", "transfer@crfill-on-unseen"} | ALWAYS


def test_results_of_another_tool_are_one_more_stage(params, changed, tmp_path):
    (tmp_path / "rectangle").mkdir()
    results = {"kind": "folder", "path": str(tmp_path)}
    entry = {"label": "Theirs", "source": "a page", "slot": "scenes", "holes": ["rectangle"], "results": results}
    params["external"] = {"theirs": entry}
    assert changed() == {"external@theirs"} | ALWAYS


def test_a_further_seed_is_of_ablations_that_train_alone(params, changed):
    params["profiles"]["tiny"]["seeds"] = [1, 2]
    found = changed()
    assert OF_DEEPFILL_V1 - {stage for stage in OF_DEEPFILL_V1 if "transfer" in stage} <= found
    assert {"transfer@tmad-on-large", "transfer@crfill-on-unseen"} <= found  # of runs that have variants
    assert {"evaluate@deepfill-v2", "evaluate@deepfill-v2-cr"} <= found  # an ablation that has another model
    alone = ["gl", "pconv", "patchmatch", "nearest-patches", "random-patches"]  # the last is a variant, and untrained
    assert not found & {f"{stage}@{run}" for stage in ("train", "evaluate") for run in alone}
    assert not {stage for stage in found if stage.startswith("pretrain") or stage.endswith("-released")}
    params["profiles"]["tiny"]["seeds"] = [2]
    assert {"pretrain@tmad-coarse", "train@gl", "evaluate@gl", "transfer@pen-net-on-unseen"} <= changed()


def test_a_measurement_of_speed_is_of_the_benchmark_alone(params, changed):
    params["profiles"]["tiny"]["benchmark"]["rounds"] = 5
    assert changed() == {"benchmark"}


def test_other_pictures_change_what_they_fill_and_what_learns_or_is_measured_there(params, changed):
    params["profiles"]["tiny"]["slots"]["unseen"]["scale"] = 128
    assert changed() == {"split@unseen"}
    params["profiles"]["tiny"]["slots"]["unseen"]["dataset"] = "bundled-photos-large"
    trained = ["deepfill-v2", "crfill", "cra", "pen-net", "medfe"]
    released = [f"{name}-released" for name in ("deepfill-v2", "crfill", "pen-net", "medfe", "lama")]
    measured = {f"transfer@{run}-on-unseen" for run in [*trained, *released]}
    assert changed() == {"download@unseen", "split@unseen"} | measured


def test_a_published_number_changes_what_shows_it_and_code_beside_it_does_not(changed, monkeypatch, tmp_path):
    shutil.copytree(ROOT / "src" / "palimpsest" / "papers", tmp_path / "papers")
    before = manifests.published_hash()
    monkeypatch.setattr(manifests, "PACKAGE", tmp_path)
    (tmp_path / "papers" / "tables.py").write_text("# Words.\n")
    assert manifests.published_hash() == before
    values = tmp_path / "papers" / "values.csv"
    values.write_text(values.read_text().replace("16.62", "16.63", 1))
    after = manifests.published_hash()
    assert after != before
    monkeypatch.undo()
    monkeypatch.setattr("palimpsest.settings.resolving.published_hash", lambda: after)
    assert changed() == {"study", "tables", "figures", "gallery", "report"}


def test_a_stage_holds_no_setting_that_it_does_not_read(before):
    """params.yaml has a thousand lines; what one stage depends on is small."""
    sizes = {stage: len(part) for stage, part in before.items() if stage != "runs"}
    settings = {
        stage: len(json.dumps({k: v for k, v in json.loads(part).items() if k != "code"}))
        for stage, part in before.items()
    }
    assert max(settings[stage] for stage in sizes if stage.startswith(("train@", "evaluate@"))) < 12_000
    assert "profiles" not in before["train@tmad"] and "needs" not in before["train@tmad"]


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A copy of the project's code, to be edited."""
    for part in ("src", "stages"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    monkeypatch.setattr(manifests, "ROOT", tmp_path)
    return tmp_path


def manifests_now() -> dict[str, dict[str, str]]:
    """The manifests of the stages that an edit may touch, read as by a new process."""
    manifests._read.cache_clear()
    models = {"split": [], "train": ["deepfill_v1"], "pretrain": ["tmad_coarse"], "evaluate": ["tmad"], "tables": []}
    return {stage: manifests.manifest(stage, used) for stage, used in models.items()}


@pytest.fixture(scope="module")
def unedited() -> dict[str, dict[str, str]]:
    return manifests_now()


EDITED = {  # file: the stages that run it
    "models/tmad_coarse.py": {"pretrain"},
    "metrics/pixel.py": {"evaluate"},
    "learning/schedule.py": {"train", "pretrain", "evaluate"},
    "data/packing.py": {"split"},
    "papers/paper.py": {"tables"},
    "page/page.py": set(),
}


@pytest.mark.parametrize(("file", "stages"), EDITED.items())
def test_an_edit_changes_the_manifests_of_the_stages_that_run_it(unedited, house, file, stages):
    path = house / "src" / "palimpsest" / file
    path.write_text(f"{path.read_text()}\nCODE = 1\n")
    edited = manifests_now()
    assert {stage for stage in unedited if edited[stage] != unedited[stage]} == stages


def test_a_comment_changes_no_manifest(unedited, house):
    for file in EDITED:
        path = house / "src" / "palimpsest" / file
        path.write_text(f"# Words.\n{path.read_text()}")
    assert manifests_now() == unedited


def test_a_run_depends_on_the_code_of_every_model_inside_it(before):
    code = {
        stage: json.loads(before[stage])["code"] for stage in ("train@deepfill-v2-psnet", "train@tmad", "train@crfill")
    }
    assert "palimpsest.models.deepfill_v2" in code["train@deepfill-v2-psnet"]
    assert (
        "palimpsest.models.tmad_coarse" in code["train@tmad"]
        and "palimpsest.models.tmad_coarse" not in code["train@crfill"]
    )


def expanded(tree: dict) -> dict[str, dict]:
    """dvc.yaml with each foreach spelt out: {stage: {deps, outs}}."""
    from dvc.parsing import DataResolver
    from dvc.repo import Repo

    with Repo(ROOT) as repo:
        spelt = DataResolver(repo, str(ROOT), YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())).resolve()
    return spelt["stages"]


def test_every_stage_depends_on_its_resolved_file_and_only_check_on_params(before, shipped):
    found = expanded(shipped)
    assert {stage for stage, part in found.items() if "params" in part} == set()
    assert {stage for stage, part in found.items() if "params.yaml" in part["deps"]} == {"check"}
    assert found.keys() - {"check"} == before.keys() - {"runs"}
    for stage, part in found.items():
        if stage != "check":
            assert f"resolved/{stage.replace('@', '/')}.json" in part["deps"], stage
            assert part["cmd"] == f"python -m stages.{stage.replace('@', ' ')}"


def test_the_graph_stays_small(shipped):
    assert len(expanded(shipped)) < 150  # beyond, DVC's own time grows faster than the number of stages
