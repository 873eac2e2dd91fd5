"""README and docs hold themselves: links lead somewhere, commands and keys exist, the example of a method works."""

import copy
import json
import re
import shlex
import shutil
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from itertools import chain, pairwise
from pathlib import Path

import pytest
import torch
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from palimpsest import __main__ as command_line
from palimpsest import methods, models
from palimpsest.config import runs
from palimpsest.config.yaml import build, read_yaml, section
from palimpsest.data.catalogue import Catalogue
from palimpsest.evaluation.external import external
from palimpsest.learning.schedule import Phase
from palimpsest.results.records import best, read_records

ROOT = Path(__file__).parents[1]
README, METHOD = ROOT / "README.md", ROOT / "docs" / "adding-a-method.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
METHODS = ROOT / "docs" / "methods.md"
FINDINGS = ROOT / "docs" / "findings.md"
LONGEST = {README: 150, METHODS: 1000, FINDINGS: 300}  # lines; of any other page 200
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def shown(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(shown(page)) if found == language]


def links(page: Path) -> list[tuple[str, str]]:
    """(path, anchor) of every link that stays within the project."""
    return LINK.findall(BLOCK.sub("", shown(page)))


def commands(program: str) -> list[list[str]]:
    """The words after a program's name of every command on the pages, comments left out."""
    text = "".join(block for page in PAGES for block in blocks(page, "")).replace("\\\n", "")
    found, start = [shlex.split(line, comments=True) for line in text.splitlines()], program.split()
    return [words[len(start) :] for words in found if words[: len(start)] == start]


def overrides() -> list[str]:
    """What follows `-S` on the pages, in commands and in sentences."""
    words = chain.from_iterable(commands("dvc exp run"))
    given = [word for before, word in pairwise(words) if before == "-S"]
    given += [word for page in PAGES for word in re.findall(r"`-S ([a-z][\w.-]+=[^`]+)`", shown(page))]
    of_a_record = f"profile={best(read_records(ROOT)).profile}"  # on the generated page of findings
    return [each for each in given if "NAME" not in each and not each.startswith("+") and each != of_a_record]


def additions() -> list[str]:
    """What follows `-S` in commands and adds a section."""
    return [
        word
        for before, word in pairwise(chain.from_iterable(commands("dvc exp run")))
        if (before, word[0]) == ("-S", "+")
    ]


def changes() -> list[tuple[str, object]]:
    """(dotted key, value) of each."""
    pairs = (each.split("=", 1) for each in overrides())
    return [(key, YAML(typ="safe").load(value)) for key, value in pairs]


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", BLOCK.sub("", shown(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_short_and_its_links_lead_somewhere(page):
    assert len(shown(page).splitlines()) <= LONGEST.get(page, 200)
    for path, anchor in links(page):
        target = (page.parent / path) if path else page
        assert target.exists(), f"{page.name}: {path}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {path}#{anchor}"


def test_readme_leads_to_every_page():
    linked = {path for path, _ in links(README)}
    assert linked >= {f"docs/{page.name}" for page in PAGES if page != README}


def test_what_the_tree_in_readme_names_is_there():
    (tree,) = [block for block in blocks(README, "") if "src/palimpsest/" in block]
    ignored = shown(ROOT / ".gitignore").split()
    top, below = ([line for line in tree.splitlines() if line.startswith("  ") == inside] for inside in (False, True))
    for folder, lines in ((ROOT, top), (ROOT / "src" / "palimpsest", below)):
        for line in lines:
            for name in re.split(r" {3,}", line.strip())[0].split():
                assert (folder / name).exists() or f"/{name}" in ignored, name


def test_every_setting_on_the_pages_can_be_changed_and_changes_something(shipped):
    assert len(changes()) > 20
    for key, value in changes():
        parts = key.split(".")
        assert section(shipped, *parts) != value, f"{key} is {value} as shipped"
        if parts[0] in ("runs", "pretrained"):
            changed = copy.deepcopy(shipped)
            section(changed, *parts[:-1])[parts[-1]] = value
            before, after = (runs.resolve(tree, parts[1]).settings for tree in (shipped, changed))
            assert before != after, f"{key} has no effect at profile {shipped['profile']}"
            models.configure(runs.resolve(changed, parts[1]))


def test_dvc_takes_every_setting_on_the_pages(tmp_path):
    path = shutil.copy(ROOT / "params.yaml", tmp_path)
    apply_overrides(path, overrides())
    after = read_yaml(path)
    assert all(section(after, *key.split(".")) == value for key, value in dict(changes()).items())


def test_a_variant_that_is_added_on_the_pages_differs_from_its_base_alone(shipped, tmp_path):
    path = shutil.copy(ROOT / "params.yaml", tmp_path)
    apply_overrides(path, additions())
    tree = read_yaml(path)
    added = tree["runs"].keys() - shipped["runs"].keys()
    assert len(added) == len(additions()) > 0
    for name in added:
        run, base = (runs.resolve(tree, each) for each in (name, tree["runs"][name]["base"]))
        assert (run.model, run.slot) == (base.model, base.slot) and run.settings != base.settings
        models.configure(run)
    assert {name: tree["runs"][name] for name in shipped["runs"]} == shipped["runs"]


def test_dvc_changes_one_line_of_the_settings_for_each_value(tmp_path):
    """params.yaml lies in the layout that DVC writes: comments stay, and a change is seen in the diff."""
    path, text = tmp_path / "params.yaml", shown(ROOT / "params.yaml")
    path.write_text(text, encoding="utf-8")
    given = {key: value for key, value in changes() if not isinstance(value, dict | list)}
    apply_overrides(path, [f"{key}={json.dumps(value)}" for key, value in given.items()])
    pairs = zip(text.splitlines(), shown(path).splitlines(), strict=True)
    assert 15 < sum(before != after for before, after in pairs) <= len(given)  # some share a line
    assert all(section(read_yaml(path), *key.split(".")) == value for key, value in given.items())


def test_every_command_on_the_pages_is_one(monkeypatch, capsys):
    def options(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["palimpsest", *words, "--help"])
        with pytest.raises(SystemExit):
            command_line.main()
        return capsys.readouterr().out

    found = commands("python -m palimpsest")
    assert {words[0] for words in found} >= {"models", "inpaint", "export", "score", "compare", "fetch", "study"}
    for words in found:
        names = words[: 2 if words[0] == "study" else 1]
        helped = options(*names)
        assert "usage:" in helped
        assert all(word in helped for word in words if word.startswith("--")), words
    targets = re.findall(r"^(\w+):", shown(ROOT / "Makefile"), re.MULTILINE)
    for page in PAGES:
        assert set(re.findall(r"`make (\w+)`", shown(page))) <= set(targets)
    assert {words[0] for words in commands("make")} <= set(targets)


def test_every_stage_on_the_pages_is_one(shipped):
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    for page in PAGES:
        for stage, name in re.findall(r"\b([a-z]+)@([\w-]+)", shown(page)):
            assert name in shipped[stages[stage]["foreach"].strip("${}")]


def test_the_entries_to_add_on_the_pages_are_accepted(shipped):
    (dataset,) = blocks(ROOT / "docs" / "data.md", "yaml")
    build(Catalogue, YAML(typ="safe").load(dataset), "", "datasets.yaml")
    examples = [YAML(typ="safe").load(block) for block in blocks(ROOT / "docs" / "external-results.md", "yaml")]
    sections = {name: external(shipped | tree, name) for tree in examples for name in tree["external"]}
    assert {each.results.kind for each in sections.values()} == {"folder", "torchscript", "onnx", "server"}
    assert all(each.slot in shipped["slots"] for each in sections.values())


def test_the_example_of_a_method_keeps_the_contract(shipped, tmp_path, monkeypatch):
    (source,) = blocks(METHOD, "python")
    (tmp_path / "plain.py").write_text(source)
    spec = spec_from_file_location("plain", tmp_path / "plain.py")
    plain = module_from_spec(spec)
    spec.loader.exec_module(plain)
    monkeypatch.setattr(models, "find", lambda name: plain)
    settings, *_ = blocks(METHOD, "yaml")
    tree = {**shipped, "runs": shipped["runs"] | YAML(typ="safe").load(settings)}
    assert [runs.target(tree, "plain").holes] == [["rectangle", "square"]]
    for profile in shipped["profiles"]:
        run = runs.resolve(tree, "plain", profile)
        build(plain.Config, run.settings, run.at)
    torch.manual_seed(0)
    model = models.create(runs.resolve(tree, "plain"), 64)
    image, hole = torch.rand(2, 3, 16, 16), torch.zeros(2, 1, 16, 16)
    hole[..., 4:12, 4:12] = 1
    model.begin(Phase(name="joint", iterations=1, learning_rate=0.01))
    losses = [model.step(image, hole)["l1"].item() for _ in range(20)]
    assert losses[-1] < losses[0]
    output = model.inpaint(image, hole)
    assert output.shape == image.shape
    assert output.min() >= 0 and output.max() <= 1
    torch.testing.assert_close(model.inpaint(image * (1 - hole), hole), output, rtol=0, atol=0)


def test_the_page_of_the_methods_is_what_their_files_and_settings_say(shipped):
    assert shown(METHODS) == methods.page(shipped)


def test_the_changelog_begins_with_the_version_in_a_few_lines():
    version = tomllib.loads(shown(ROOT / "pyproject.toml"))["project"]["version"]
    first = shown(ROOT / "CHANGELOG.md").split("\n## ")[1].splitlines()
    assert first[0] == version and 2 < len(first) < 15
