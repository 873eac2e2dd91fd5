"""Text that shows in Markdown as it is written; tests/tables/test_formats.py reads it back with a parser."""

import pytest

from palimpsest.markdown import plain, table


@pytest.mark.parametrize("text", ["DeepFill v1", "-0.58", "1.5", "λ² – 50 %", "(external)"])
def test_what_means_nothing_stays_as_it_is(text):
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "quiet"),
    [
        ("a*b_c`d~e$f", r"a\*b\_c\`d\~e\$f"),
        ("[a](b) | c", r"\[a\](b) \| c"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("a\\", r"a\\"),
        ("# a", r"\# a"),
        ("- a", r"\- a"),
        ("12. a", r"12\. a"),
        ("a\nb", "a b"),
    ],
)
def test_what_means_something_is_made_quiet(text, quiet):
    assert plain(text) == quiet


def test_a_table_has_a_line_for_its_head_its_rules_and_each_row():
    assert table(["a", "b"], ["---", "---:"], [["1", ""], ["x", "y"]]) == [
        "| a | b |",
        "| --- | ---: |",
        "| 1 |  |",
        "| x | y |",
    ]
