"""Pages out of templates: each room has a folder of its own, and `templates` holds the look that all pages share."""

from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

PACKAGE = Path(__file__).parent

HTML = {"autoescape": True}
LATEX = {
    "block_start_string": "<%",
    "block_end_string": "%>",
    "variable_start_string": "<<",
    "variable_end_string": ">>",
    "comment_start_string": "<#",
    "comment_end_string": "#>",
}


def template(room: str, name: str, **filters: Callable) -> Template:
    """`<room>/templates/<name>`; a variable that it uses and is not given is an error."""
    environment = Environment(
        loader=FileSystemLoader([PACKAGE / room / "templates", PACKAGE / "templates"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **(HTML if name.endswith(".html") else LATEX),
    )
    environment.filters |= filters
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # the order of params.yaml is kept
    return environment.get_template(name)
