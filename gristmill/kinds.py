"""Settings chosen by `kind`: one file a kind, found by its name."""

import importlib
from pathlib import Path

from gristmill.settings import Settings


def kinds(package: str) -> list[str]:
    """Return the kinds that a package offers: its modules, sorted."""
    folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
    return sorted(path.stem for path in folder.glob("[a-z]*.py"))


def settings_of(package: str, kind: str) -> type[Settings]:
    """Return the settings class of a kind: the one class in its module that has a field `kind`."""
    module = importlib.import_module(f"{package}.{kind}")
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Settings)
        and "kind" in value.model_fields
        and value.__module__ == module.__name__
    )
