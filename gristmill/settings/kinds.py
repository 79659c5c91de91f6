"""Settings chosen by `kind`: one file a kind, found by its name."""

import importlib
from pathlib import Path

from gristmill.settings.base import Settings


def kinds(*packages: str) -> list[str]:
    """Return the kinds that packages offer: their modules, sorted."""
    return sorted({kind for package in packages for kind in _modules(package)})


def settings_of(kind: str, *packages: str) -> type[Settings]:
    """Return the settings class of a kind: the one class in its module that has a field `kind`.

    Of several packages that have such a module the last one counts.
    """
    package = next(package for package in reversed(packages) if kind in _modules(package))
    module = importlib.import_module(f"{package}.{kind}")
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Settings)
        and "kind" in value.model_fields
        and value.__module__ == module.__name__
    )


def _modules(package: str) -> list[str]:
    folder = Path(__file__).parent.parent.joinpath(*package.split(".")[1:])
    return [path.stem for path in folder.glob("[a-z]*.py")]
