"""What Prefect's page shows: an evaluation's scores with the picture that says most, and who was judged how."""

import base64
import importlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from httpx import HTTPError
from prefect.artifacts import create_markdown_artifact
from prefect.context import TaskRunContext
from prefect.exceptions import PrefectException

from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, Judgement
from gristmill.runs.scores import MODEL, Scores
from gristmill.settings import messages
from gristmill.store.artifact import Artifact
from tasks.run_stage import Run

logger = logging.getLogger(__name__)


def show_scores(run: Run, evaluated: Artifact) -> None:
    """Create a markdown artifact with the test scores beside the baselines' and the headline picture."""
    if TaskRunContext.get() is None:
        return
    scores = Scores.read(evaluated.path)
    picture = importlib.import_module(f"gristmill.domains.{run.pipeline.domain}.report").headline_picture(
        {"evaluate": evaluated.path}
    )
    named = [(f"**{name}**" if name == MODEL else name, by_part["test"]) for name, by_part in scores.best_first("test")]
    metrics = scores.shown
    lines = [
        f"| | {' | '.join(metrics)} |",
        f"|---|{'---:|' * len(metrics)}",
        *(f"| {' | '.join(row)} |" for row in messages.score_rows(metrics, named)),
        "",
        f"![forecast and truth](data:image/png;base64,{base64.b64encode(picture).decode()})",
    ]
    key = artifact_key(run.pipeline.name, "scores")
    with best_effort():
        create_markdown_artifact("\n".join(lines), key=key, description=run.pipeline.description)


def show_judgement(run: Run, judged: Judgement) -> None:
    """Create a markdown artifact with all who were judged, the best first, and what was decided."""
    if TaskRunContext.get() is None:
        return
    names, scores = zip(*judged.best_first, strict=True)
    lines = [
        f"**{'Promote' if judged.promoted else 'Reject'}**: {judged.why}",
        "",
        f"| | {judged.metric} |",
        "|---|---:|",
        *(
            f"| {f'**{name}**' if name in (CHALLENGER, CHAMPION) else name} | {score} |"
            for name, score in zip(names, messages.format_numbers(scores, digits=5), strict=True)
        ),
    ]
    with best_effort():
        create_markdown_artifact(
            "\n".join(lines), key=artifact_key(run.pipeline.name, "judgement"), description=judged.why
        )


@contextmanager
def best_effort() -> Iterator[None]:
    """Let a stage go on where Prefect's page cannot be told how it went."""
    try:
        yield
    except (HTTPError, PrefectException) as error:
        logger.warning("Prefect's page was not told: %s", error)


def artifact_key(pipeline: str, what: str) -> str:
    """Return a key as Prefect wants it: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{pipeline}-{what}".lower()).strip("-")
