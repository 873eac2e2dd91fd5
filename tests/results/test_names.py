import pytest

from palimpsest.results.names import holes_in_words


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
