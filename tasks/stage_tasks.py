"""The stages of any domain one after the other, as its own flow calls them."""

from collections.abc import Mapping
from typing import Any

from gristmill.config.stages import START
from gristmill.store.artifact import Reference
from tasks.backtest import backtests
from tasks.evaluate import evaluate
from tasks.export import export
from tasks.features import features
from tasks.preprocess import preprocess
from tasks.refit import refit
from tasks.run_stage import Run
from tasks.train import train

_TASKS: dict[str, Any] = {
    "preprocess": preprocess,
    "features": features,
    "train": train,
    "evaluate": evaluate,
    "refit": refit,
    "export": export,
}


def up_to(last: str, run: Run, made: Mapping[str, Reference]) -> dict[str, Reference]:
    """Return the references of all stages up to one, those that are not made yet made now."""
    references = dict(made) | ({START: run.start} if run.start else {})
    for label, stage in run.stages.items():
        if label not in references:
            inputs = [references[name] for name in stage.inputs]
            if stage.point:
                references |= zip(run.points(stage.name), backtests(run, *inputs), strict=True)
            else:
                references[label] = _TASKS[stage.name](run, *inputs)
        if stage.name == last:
            break
    return references
