"""Settings chosen by `kind`: each class of a package that has a field `kind`."""

import importlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import get_args

from gristmill.settings.base import Settings

_KIND = re.compile(r'^    kind: Literal\["(\w+)"\]', re.MULTILINE)  # read as text: the modules may be slow to import


def kinds(*packages: str) -> list[str]:
    """Return the kinds that packages offer, sorted."""
    return sorted(_modules(packages))


def settings_of(kind: str, *packages: str) -> type[Settings]:
    """Return the settings class of a kind; the last package counts where several offer it."""
    module = importlib.import_module(_modules(packages)[kind])
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Settings)
        and value.__module__ == module.__name__
        and "kind" in value.model_fields
        and get_args(value.model_fields["kind"].annotation) == (kind,)
    )


def numbered(given: Iterable[str]) -> Iterator[str]:
    """Yield a unique name for each kind: the kind itself, or `dense-2` for the second `dense`."""
    seen: Counter[str] = Counter()
    for kind in given:
        seen[kind] += 1
        yield kind if seen[kind] == 1 else f"{kind}-{seen[kind]}"


@cache
def _modules(packages: tuple[str, ...]) -> dict[str, str]:
    root = Path(__file__).parent.parent
    return {
        kind: f"{package}.{path.stem}"
        for package in packages
        for path in root.joinpath(*package.split(".")[1:]).glob("[a-z]*.py")
        for kind in _KIND.findall(path.read_text("utf-8"))
    }
