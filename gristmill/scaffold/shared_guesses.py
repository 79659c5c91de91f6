"""Settings of models and parts that several domains propose."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from gristmill.config.candidates import preset
from gristmill.config.tables import AUTO
from gristmill.domains.common.folds import MIN_EXAMPLES_WITHOUT_FOLDS
from gristmill.scaffold.proposal import Guess
from gristmill.settings.base import Settings

TEST_SHARE = 0.2  # of examples, if the data names no test set

_MAX_CLASSES_LISTED = 6


def auto_guesses(domain: str, examples: int | None = None, **tables: Settings) -> list[Guess]:
    """Return the table `model`, whose reasons list the candidates of the fastest preset, and those that others add.

    `examples` is the number of training and validation examples. `tables` are those on which the presets depend.
    """
    few = examples is not None and examples < MIN_EXAMPLES_WITHOUT_FOLDS
    presets = {name: preset(domain, name, tables) for name in ("quick", "good", "best")}
    tried = {name: _kinds(points, few) for name, points in presets.items()}
    before = {"good": "quick", "best": "good"}
    added = {name: [kind for kind in tried[name] if kind not in tried[smaller]] for name, smaller in before.items()}
    more = [f'"{name}": the same' for name, smaller in before.items() if presets[name] == presets[smaller]]
    more += [f'"{name}" adds {", ".join(kinds)}' for name, kinds in added.items() if kinds]
    larger = [f'"{name}"' for name, kinds in added.items() if not kinds and presets[name] != presets[before[name]]]
    if larger:
        more.append(f"{' and '.join(larger)}: longer training and larger networks")
    return [
        Guess("kind", AUTO, "trains several models and exports the best one or a weighted average"),
        Guess("preset", "quick", "; ".join([", ".join(tried["quick"]), *more])),
    ]


def _kinds(points: Iterable[Mapping[str, Mapping[str, Any]]], few: bool) -> list[str]:
    """Return the kinds of a preset's candidates, without those that refuse few examples if there are few."""
    suitable = (one for one in points if not few or one.get("train", {}).get("few_examples") != "refuse")
    return list(dict.fromkeys(point["model"]["kind"] for point in suitable))


def part_guesses(named: Collection[str | None]) -> list[Guess]:
    """Return the shares of the validation and test set, except for parts that the data names itself."""
    shares = {"validation": (0.1, "used to choose the model"), "test": (TEST_SHARE, "used only for the scores")}
    return [Guess(part, share, f"of each class: {why}") for part, (share, why) in shares.items() if part not in named]


def spelling_notes(target: str, classes: Iterable[str]) -> list[str]:
    """Return a note if names of classes differ only in case or in spaces around them."""
    spellings = defaultdict(list)
    for name in classes:
        spellings[name.strip().casefold()].append(repr(name))
    alike = ["/".join(names) for names in spellings.values() if len(names) > 1]
    if not alike:
        return []
    return [
        f"Classes of {target!r} that differ only in case or spaces: {', '.join(alike[:_MAX_CLASSES_LISTED])}. Correct "
        "them, for example in source.prepare; otherwise they are different classes."
    ]


def list_classes(counts: Mapping[str, int]) -> str:
    """Return the first classes with their counts: `4 'cat', 4 'dog'`."""
    listed = [f"{count:,} {name!r}" for name, count in counts.items()]
    return ", ".join(listed[:_MAX_CLASSES_LISTED]) + ", …" * (len(listed) > _MAX_CLASSES_LISTED)
