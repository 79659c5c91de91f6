"""Settings of models and parts that several domains propose."""

from collections.abc import Collection, Mapping

from gristmill.config.candidates import preset
from gristmill.config.tables import AUTO
from gristmill.scaffold.proposal import Guess
from gristmill.settings.base import Settings

_MAX_CLASSES_LISTED = 6


def auto_guesses(domain: str, **tables: Settings) -> list[Guess]:
    """Return the table `model`: the candidates of the fastest preset, and those that the others add.

    `tables` are those of the pipeline that presets of the domain depend on.
    """
    tried: dict[str, list[str]] = {name: _kinds(domain, name, tables) for name in ("quick", "good", "best")}
    more = []
    for before, name in (("quick", "good"), ("good", "best")):
        added = [kind for kind in tried[name] if kind not in tried[before]]
        more.append(f'"{name}" adds {", ".join(added) if added else "larger networks"}')
    average = "" if domain == "generation" else " or a weighted average"
    return [
        Guess("kind", AUTO, f"trains several models and exports the best one{average}"),
        Guess("preset", "quick", "; ".join([", ".join(tried["quick"]), *more])),
    ]


def _kinds(domain: str, name: str, tables: Mapping[str, Settings]) -> list[str]:
    """Return the kinds of a preset's candidates."""
    return list(dict.fromkeys(point["model"]["kind"] for point in preset(domain, name, tables)))


def part_guesses(named: Collection[str | None]) -> list[Guess]:
    """Return the shares of the validation and test set, except for parts that the data names itself."""
    shares = {"validation": (0.1, "choices are made on it"), "test": (0.2, "scored, never trained on")}
    return [Guess(part, share, f"of each class: {why}") for part, (share, why) in shares.items() if part not in named]


def list_classes(counts: Mapping[str, int]) -> str:
    """Return the first classes with their counts: `4 'cat', 4 'dog'`."""
    listed = [f"{count:,} {name!r}" for name, count in counts.items()]
    return ", ".join(listed[:_MAX_CLASSES_LISTED]) + ", …" * (len(listed) > _MAX_CLASSES_LISTED)
