"""Templates filled in: what is no `Markup` is escaped, and a name that a template asks for in vain is an error."""

from typing import Any


def render_template(template: str, **values: Any) -> str:
    """Return a template of `gristmill/templates` filled in."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gristmill"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
