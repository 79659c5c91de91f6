"""The figures of the course table, kept in the project: a store can go, and hours of training with it.

`docs/course.json` holds, by pipeline and seed, as much of each outcome as the table shows.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gristmill.course.rows import CourseResult
from gristmill.errors import RequestError
from gristmill.runs.scores import Scores
from gristmill.sweeps.leaderboard import TrialScores
from gristmill.util.files import write_atomically

FILE = "docs/course.json"

Outcomes = Mapping[str, Mapping[int, TrialScores]]  # by pipeline and seed


def read(root: Path) -> Outcomes:
    """Return what is kept in a project; nothing where there is no file.

    Raises:
        RequestError: the file is there, and is not one of `write`.
    """
    file = root / FILE
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return {name: {int(seed): _outcome(kept) for seed, kept in seeds.items()} for name, seeds in raw.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        problem = repr(error).splitlines()[0]
        raise RequestError(
            f"{file}: not the figures of the course table ({problem}). Restore it, or remove it and run again."
        ) from None


def write(results: Iterable[CourseResult], root: Path) -> None:
    """Keep what the table shows of some results."""
    kept = {
        result.row.pipeline: {str(seed): _shown(outcome) for seed, outcome in result.by_seed.items()}
        for result in results
        if result.by_seed
    }
    (root / FILE).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(root / FILE, (json.dumps(kept, indent=1) + "\n").encode())


def _outcome(kept: dict[str, Any]) -> TrialScores:
    outcome = TrialScores(**kept | {"scores": Scores.model_validate(kept["scores"])})
    _shown(outcome)  # raises an error here where something is missing
    return outcome


def _shown(outcome: TrialScores) -> dict[str, Any]:
    scores = outcome.scores
    return {
        "scores": {
            "headline": scores.headline.as_json(),
            "best_baseline": scores.best_baseline,
            "model": {"test": {scores.metric: scores.test}},
        },
        "seconds": round(outcome.seconds, 1),
        "parameters": outcome.parameters,
        "made": outcome.made,
        "versions": {library: outcome.versions[library] for library in ("keras", "tensorflow")},
    }
