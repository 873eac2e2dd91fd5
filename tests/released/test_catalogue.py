"""released.yaml and the sections that choose from it: what is accepted, what is measured, and why not."""

import re

import pytest

from palimpsest.config import runs
from palimpsest.config.yaml import InputError, read_yaml
from palimpsest.released import catalogue
from reported import ROOT


def test_every_section_has_its_networks_at_every_profile(params, networks):
    for name in params["released"]:
        for profile in runs.PROFILES:
            network = catalogue.chosen(params, networks, name, profile)
            run = network.made(params, catalogue.run_name(name))
            assert run.name == f"released/{name}"
            for layout in network.layouts.values():
                made = layout.made(params).settings
                assert {key: made[key] for key in layout.settings} == {
                    key: run.settings[key] for key in layout.settings
                }


def test_every_section_is_measured_somewhere(params):
    measured = {tree["run"] for tree in params["transfers"].values()}
    assert {f"released/{name}" for name in params["released"]} <= measured


def test_files_of_two_methods_are_no_network(networks, params):
    files = networks["crfill-places2"].files | networks["lbam-vious"].files
    network = networks["crfill-places2"].model_copy(update={"files": files})
    with pytest.raises(InputError, match="found files of crfill and lbam; accepted: of one run"):
        network.made(params, "released/x")


@pytest.mark.parametrize(
    ("accept", "size", "said"),
    [
        (
            False,
            256,
            r"released.crfill.accept is false; .* its licence \(.*, licence CC BY-NC 4.0\)",
        ),
        (True, 64, "it was trained on pictures of 256 px, and profile photos has 64 px here"),
        (True, 256, "^$"),
    ],
)
def test_why_a_network_is_not_measured(params, networks, accept, size, said):
    params["released"]["crfill"]["accept"] = accept
    assert re.search(said, catalogue.why_absent(params, networks, "crfill", "photos", size))


def test_a_profile_may_have_no_network(params, networks):
    params["released"]["crfill"]["network"] = {"paper": "crfill-places2", "paper-faces": None}
    assert "no network was released" in catalogue.why_absent(params, networks, "crfill", "paper-faces", 256)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"network": "crfil"}, r"released\.crfill\.network: found 'crfil'; accepted: "),
        ({"network": {"tiny": "crfill-places2"}}, r"released\.crfill.*paper is missing"),
        ({"accept": "yes"}, r"released\.crfill\.accept is 'yes'; accepted: true or false"),
    ],
)
def test_a_wrong_section_is_refused(params, networks, section, said):
    params["released"]["crfill"] |= section
    with pytest.raises(InputError, match=said):
        catalogue.chosen(params, networks, "crfill", "paper")


def test_a_layout_that_is_not_known_is_refused(tmp_path):
    text = (ROOT / "released.yaml").read_text().replace("    crfill:\n", "    crfil:\n", 1)
    (path := tmp_path / "released.yaml").write_text(text)
    with pytest.raises(InputError, match=r"crfill-places2\.files: found 'crfil'; accepted: .*crfill"):
        catalogue.read_catalogue(path)


def test_what_has_no_address_says_how_it_is_had():
    for name, network in read_yaml(ROOT / "released.yaml").items():
        for files in network["files"].values():
            for file in files:
                assert (file["url"] is None) != (file["how"] is None), name
