"""The claims of the papers' texts as data: what they name is there, and a spoilt one is named in a line."""

import pytest

from palimpsest.config.yaml import InputError
from palimpsest.papers.metrics import read_metrics
from palimpsest.papers.paper import benchmarked, check_runs, read_paper, read_papers
from palimpsest.papers.values import read_values
from papers.spoiling import spoil

LOSS = "    holes: [irregular-20-30-any, irregular-50-60-any]\n"


@pytest.mark.parametrize(
    ("paper", "old", "new", "said"),
    [
        ("tmad", "kind: no gain", "kind: no gains", r"tmad\.yaml: claims\.more-candidates\.kind is 'no gains'; accept"),
        ("tmad", "    margin: 0.05\n", "", r"claims\.more-candidates\.margin is missing"),
        ("tmad", "    table: V\n", "    table: VI\n", r"claims\.post-processing\.table: found 'VI'; accepted: V, I, "),
        ("tmad", "direction: lower", "direction: null", r"claims\.total-variation\.direction: found none for tv_isot"),
        ("deepfill-v1", "metric: lpips_alex", "metric: lpips", r"claims\.other-attention\.metric: found 'lpips'"),
        ("gm-srm", f"{LOSS}    metric", "    holes: [square, star]\n    metric", r"steady: hole, as in Table I: found"),
        ("gm-srm", f"slot: scenes\n{LOSS}", f"slot: unseen\n{LOSS}", r"claims\.steady\.slot, as in Table I: found 'u"),
        ("gm-srm", f"{LOSS}    metric", "    holes: [star]\n    metric", r"claims\.steady\.holes"),
        ("crfill", "    device: null\n    size: 512", "    device: cpu\n    size: 512", r"computation: found mul"),
        ("crfill", "own: [CRFill]", "own: [CRFil]", r"tables\.1\.own: found 'CRFil'; accepted: DeepFill v2, "),
        ("crfill", "paper: crfill", "paper: tmad", r"figures\.ledger\.paper: found 'tmad'; accepted: crfill"),
    ],
)  # fmt: skip
def test_a_spoilt_claim_is_named_with_its_key(folder, paper, old, new, said):
    spoil(folder, f"{paper}.yaml", old, new)
    with pytest.raises(InputError, match=said):
        read_paper(paper, read_metrics(folder), read_values(folder), folder)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("against: [deepfill-v1-baseline]", "against: [deepfill-v1-base]", r"claims\.attention\.against: found 'deepf"),
        ("run: deepfill-v1\n    against: gl", "run: deepfill-v1\n    against: gll", r"claims\.size\.against: found 'g"),
        ("foreseen: [deepfill-v1-perceptual]", "foreseen: []", r"claims\.perceptual\.run: found 'deepfill-v1-percept"),
    ],
)
def test_a_run_that_a_claim_misspells_is_named_with_its_key(shipped, folder, old, new, said):
    spoil(folder, "deepfill-v1.yaml", old, new)
    with pytest.raises(InputError, match=said):
        check_runs([*shipped["runs"], *shipped["pretrained"], *shipped["transfers"]], folder)


def test_every_table_of_methods_names_the_papers_own(shipped):
    own = {(name, key): table.own for name, paper in read_papers().items() for key, table in paper.tables.items()
           if hasattr(table, "own")}  # fmt: skip
    assert len(own) == 11 and all(own.values())


def test_what_a_claim_says_of_cost_is_measured():
    assert {"gl", "crfill-baseline", "deepfill-v2", "tmad"} <= {*benchmarked()}
