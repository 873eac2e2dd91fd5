from dataclasses import replace

import pytest

from palimpsest.results.names import holes_in_words, method_names


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("rectangle", "rectangle holes"),
        ("centre-25", "centre holes of 25 %"),
        ("irregular-20-30-any", "irregular holes of 20 to 30 %"),
        ("irregular-20-30-clear", "irregular-20-30-clear holes"),
        ("square/pieced", "square holes, pictures pieced from reference patches"),
    ],
)
def test_holes_are_named_as_people_read_of_them(kind, words):
    assert holes_in_words(kind) == words


def test_a_pretrained_network_is_called_after_the_run_that_it_serves(fake):
    runs = fake.measured.runs
    tree = {"name": "deepfill-v1", "start": {"name": "deepfill-v1-coarse"}, "inside": {"name": "memory"}}
    measured = replace(fake.measured, runs=runs | {"deepfill-v1": runs["deepfill-v1"].model_copy(update={"run": tree})})
    names = method_names(measured)
    assert (names["deepfill-v1-coarse"], names["memory"]) == ("DeepFill v1's coarse network", "memory")
    assert names["deepfill-v1"] == "DeepFill v1"
