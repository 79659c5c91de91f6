"""The scores of the course table in `docs/course.json`, by pipeline and seed: they outlive the store."""

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


def read(root: Path) -> Mapping[str, Mapping[int, TrialScores]]:
    """Return a project's saved scores by pipeline and seed; empty without the file.

    Raises:
        RequestError: the file is not one of `write`.
    """
    file = root / FILE
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return {
            name: {int(seed): _trial_scores(values) for seed, values in seeds.items()} for name, seeds in raw.items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        problem = repr(error).splitlines()[0]
        raise RequestError(
            f"{file}: not scores of the course table ({problem}). Restore it, or remove it and run again."
        ) from None


def write(results: Iterable[CourseResult], root: Path) -> None:
    """Save the scores that the table shows."""
    saved = {
        result.row.pipeline: {str(seed): _reduced(scores) for seed, scores in result.by_seed.items()}
        for result in results
        if result.by_seed
    }
    (root / FILE).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(root / FILE, json.dumps(saved, indent=1) + "\n")


def _trial_scores(values: dict[str, Any]) -> TrialScores:
    found = TrialScores(**values | {"scores": Scores.model_validate(values["scores"])})
    _reduced(found)  # raises an error if a value is missing
    return found


def _reduced(found: TrialScores) -> dict[str, Any]:
    """Return only the values that the table shows."""
    scores = found.scores
    return {
        "scores": {
            "headline": scores.headline.as_json(),
            "best_baseline": scores.best_baseline,
            "model": {"test": {scores.metric: scores.test}},
        },
        "seconds": round(found.seconds, 1),
        "parameters": found.parameters,
        "made": found.made,
        "versions": {library: found.versions[library] for library in ("keras", "tensorflow")},
    }
