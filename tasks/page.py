"""What Prefect's page shows of an evaluation: the scores and the picture that says most."""

import base64
import importlib

from prefect.artifacts import create_markdown_artifact
from prefect.context import TaskRunContext

from gristmill.store import Artifact
from gristmill.tables import read_document
from tasks.stage import Run


def show_scores(run: Run, evaluated: Artifact) -> None:
    """Create a markdown artifact with the test scores beside the baselines' and the headline picture."""
    if TaskRunContext.get() is None:
        return
    scores = read_document(evaluated.path / "scores.json")
    picture = importlib.import_module(f"gristmill.{run.pipeline.domain}.report").headline_picture(
        {"evaluate": evaluated.path}
    )
    named = {
        "**model**": scores["model"]["test"],
        **{name: by_part["test"] for name, by_part in scores["baselines"].items()},
    }
    metrics = list(scores["model"]["test"])
    lines = [
        f"| | {' | '.join(metrics)} |",
        f"|---|{'---:|' * len(metrics)}",
        *(f"| {name} | {' | '.join(_text(values[metric]) for metric in metrics)} |" for name, values in named.items()),
        "",
        f"![forecast and truth](data:image/png;base64,{base64.b64encode(picture).decode()})",
    ]
    create_markdown_artifact(
        "\n".join(lines),
        key=f"{run.pipeline.name.replace('_', '-').lower()}-scores",
        description=run.pipeline.description,
    )


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
