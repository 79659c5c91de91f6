"""Settings chosen by `kind`: each class of a package that has a field `kind`."""

import importlib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from gristmill.settings.base import Settings


@dataclass(frozen=True)
class Kinds:
    """Table whose `kind` selects one of the settings classes that packages offer."""

    packages: tuple[str, ...]
    are_models: bool = False  # the kind may also be "auto", or the user's own function


_KIND = re.compile(r'^    kind: Literal\["(\w+)"\]', re.MULTILINE)  # read as text: the modules may be slow to import


def kinds(*packages: str) -> list[str]:
    """Return the kinds that packages offer, sorted."""
    return sorted(_modules(packages))


def settings_of(kind: str, *packages: str) -> type[Settings]:
    """Return the settings class of a kind; the last package counts where several offer it."""
    module = importlib.import_module(_modules(packages)[kind])
    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Settings)]
    own = [table for table in classes if table.__module__ == module.__name__ and "kind" in table.model_fields]
    return next(table for table in own if get_args(table.model_fields["kind"].annotation) == (kind,))


def names_of(models: Iterable[Any], reserved_names: Iterable[str] = ()) -> Iterator[str]:
    """Yield a unique name for each model: its kind, with a number if the kind is taken: `dense`, `dense-2`.

    Settings and records of champions use these names. A model with a `name` of its own has that instead.
    """
    used = set(reserved_names)
    for model in models:
        plain = getattr(model, "name", model.kind)
        numbered = (f"{plain}-{number}" for number in itertools.count(2))
        name = next(name for name in itertools.chain([plain], numbered) if name not in used)
        used.add(name)
        yield name


@cache
def _modules(packages: tuple[str, ...]) -> dict[str, str]:
    root = Path(__file__).parent.parent
    return {
        kind: f"{package}.{path.stem}"
        for package in packages
        for path in root.joinpath(*package.split(".")[1:]).glob("[a-z]*.py")
        for kind in _KIND.findall(path.read_text("utf-8"))
    }
