"""metrics.yaml against the code: every id that is measured is explained, and no other."""

from palimpsest.metrics.features import PAIRED
from palimpsest.metrics.pixel import METRICS, RAW
from palimpsest.metrics.sets import OF_NETWORK
from palimpsest.papers.metrics import read_metrics

PERCEPTUAL = list(PAIRED.values())
OF_SETS = [name for metrics in OF_NETWORK.values() for name in metrics]


def test_every_metric_is_explained_to_the_reader():
    explained = read_metrics()
    assert list(explained) == [*METRICS, *PERCEPTUAL, *OF_SETS, *RAW, *(f"{name}_raw" for name in PERCEPTUAL)]


def test_an_id_says_what_is_measured():
    for name, metric in read_metrics().items():
        assert (metric.of == "hole") == ("_hole" in name)
        assert (metric.of == "raw output") == name.endswith("_raw")
        assert (metric.of == "set") == (name in OF_SETS)
        assert (metric.unit == "%") == ("_percent" in name), name
        assert metric.definition.endswith(".")


def test_no_definition_of_a_raw_metric_speaks_of_the_result():
    explained = read_metrics()
    for name in RAW:
        assert "x is the output before the known pixels are put back." in explained[name].definition
        assert explained[name].digits == explained[name.removesuffix("_raw")].digits
