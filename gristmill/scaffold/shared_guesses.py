"""Settings of models, parts and folders that several domains propose."""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gristmill.config.candidates import preset
from gristmill.config.tables import AUTO
from gristmill.domains.common.classification.labelled import list_counts, spelled_alike
from gristmill.domains.common.folds import MIN_EXAMPLES_WITHOUT_FOLDS
from gristmill.errors import count_of
from gristmill.scaffold.data import Data
from gristmill.scaffold.proposal import Guess
from gristmill.settings.base import Settings
from gristmill.sources.set_names import PARTS

CORRECT_SPELLING = "Correct them, for example in source.prepare"
TEST_SHARE = 0.2  # of examples, if the data names no test set
_MAX_CLASSES_LISTED = 4


def auto_guesses(domain: str, examples: int | None = None, **tables: Settings) -> list[Guess]:
    """Return the table `model`; reasons tell how many candidates the fastest preset has, and what others add.

    `examples` is the number of training and validation examples. `tables` are those on which the presets depend.
    """
    few = examples is not None and examples < MIN_EXAMPLES_WITHOUT_FOLDS
    presets = {name: preset(domain, name, tables) for name in ("quick", "good", "best")}
    suitable = {  # without candidates that refuse few examples if there are few
        name: [point for point in points if not few or point.get("train", {}).get("few_examples") != "refuse"]
        for name, points in presets.items()
    }
    kinds = {name: list(dict.fromkeys(point["model"]["kind"] for point in suitable[name])) for name in presets}
    before = {"good": "quick", "best": "good"}
    added = {name: [kind for kind in kinds[name] if kind not in kinds[smaller]] for name, smaller in before.items()}
    more = [f'"{name}": the same' for name, smaller in before.items() if presets[name] == presets[smaller]]
    more += [f'"{name}" adds {", ".join(kinds)}' for name, kinds in added.items() if kinds]
    larger = [f'"{name}"' for name, kinds in added.items() if not kinds and presets[name] != presets[before[name]]]
    if larger:
        more.append(f"{' and '.join(larger)}: slower candidates")
    return [
        Guess("kind", AUTO, "trains several models; exports the best one or a weighted average"),
        Guess("preset", "quick", "; ".join([count_of(len(suitable["quick"]), "candidates"), *more])),
    ]


def part_guesses(named: Collection[str | None]) -> list[Guess]:
    """Return the shares of the validation and test set, except for parts that the data names itself."""
    shares = [
        Guess("validation", 0.1, "of each class: used to choose the model"),
        Guess("test", TEST_SHARE, "of each class: used only for the scores"),
    ]
    return [guess for guess in shares if guess.key not in named]


def spelling_notes(classes: Iterable[str], remedy: str, target: str = "") -> list[str]:
    """Return a note if names of classes, in a column `target`, differ only in case or in spaces around them."""
    alike = spelled_alike(classes)
    if not alike:
        return []
    of_target = f" of {target!r}" if target else ""
    return [
        f"Classes{of_target} that differ only in case or spaces: {', '.join(alike[:_MAX_CLASSES_LISTED])}. {remedy}; "
        "otherwise they are different classes."
    ]


def list_classes(counts: Mapping[str, int]) -> str:
    """Return the first classes with their counts: `4 'cat', 4 'dog'`."""
    return list_counts(counts, _MAX_CLASSES_LISTED)


@contextmanager
def silenced(*modules: str) -> Iterator[None]:
    """Switch off the log messages of modules, which would repeat notes."""
    loggers = [logging.getLogger(module) for module in modules]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, was_disabled in zip(loggers, before, strict=True):
            logger.disabled = was_disabled


def folder_guesses(data: Data, files: Iterable[Path], nested: bool = False) -> list[Guess]:
    """Return the source of files in a folder for each class, below folders of the parts if there are several.

    If `nested`, folders of classes may have subfolders, such as one for each person.
    """
    guesses, folders = data.source_guesses("folder", "a folder for each class"), {path.parent for path in files}
    # A folder that is in several others is below the classes, unless these others outnumber such folders.
    above = defaultdict(set)
    for folder in folders if nested else ():
        if not _is_part(folder.parent.name):
            above[folder.name].add(folder.parent.name)
    name = max(sorted(above), key=lambda name: len(above[name]), default="")
    if name and len(above[name]) >= 2 and len(set().union(*above.values())) <= len(above):
        first, second, *_ = sorted(above[name])
        why = f"{name!r} is in {first!r} and {second!r}, so these are the classes; a column for {name!r}"
        guesses.append(Guess("subfolders", "subfolder", why))
        folders = {folder.parent for folder in folders}
    names = {folder.parent.name for folder in folders}
    if len(names) > 1 and all(map(_is_part, names)):
        guesses.append(Guess("parts", True, f"the folders above are named {', '.join(sorted(names))}"))
    return guesses


def why_no_classes(files: Iterable[Path]) -> str:
    """Return why the folders of files do not name classes; empty if all do, at one depth, in parts or without."""
    counts = Counter(path.parent for path in files)
    classes = {folder.name for folder in counts}
    if len(classes) < 2 or all(map(_is_part, classes)):
        return f"nothing names their classes: all are in {', '.join(map(repr, sorted(classes)))}"
    depths = Counter(len(folder.parts) for folder in counts)
    usual = max(depths, key=lambda depth: (depths[depth], depth))
    has_parts = any(_is_part(folder.parent.name) for folder in counts)
    for folder, count in sorted(counts.items()):
        if len(folder.parts) != usual:
            return f"{count:,} of them in {str(folder)!r}, at another depth than the classes"
        if _is_part(folder.name):
            return f"{str(folder)!r}, with {count:,}, is named like a part but is among the classes"
        if has_parts and not _is_part(folder.parent.name):
            return f"{str(folder)!r}, with {count:,}, is not in a part like the others"
    return ""


def _is_part(name: str) -> bool:
    return name.lower() in PARTS
