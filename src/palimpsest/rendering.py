"""The templates of pages."""

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from palimpsest.tables.formats import tex

HTML = {"autoescape": True}
LATEX = {
    "block_start_string": "<%",
    "block_end_string": "%>",
    "variable_start_string": "<<",
    "variable_end_string": ">>",
    "comment_start_string": "<#",
    "comment_end_string": "#>",
}


def template(name: str) -> Template:
    """One of `templates`; what it asks for and is not given is an error."""
    options = HTML if name.endswith(".html") else LATEX
    environment = Environment(
        loader=PackageLoader("palimpsest"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters["tex"] = tex
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # what stands in the order of params.yaml stays so
    return environment.get_template(name)
