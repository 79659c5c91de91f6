"""Checks before a training of what would fail only after it."""

from typing import Any

from tasks.run import Run


def check_evaluate_settings(run: Run) -> None:
    """Check settings of the scores of classes, because evaluate would fail only after the training."""
    settings: Any = run.pipeline.tables["evaluate"]
    if any(getattr(settings, name, None) for name in ("slices", "threshold", "coverage")):
        from gristmill.domains.common.classification.evaluation import check_evaluate

        data = _prepared(run)
        check_evaluate(settings, getattr(data, "labelled", data))


def check_backtest_blocks(run: Run) -> None:
    """Check that the data has room for the blocks of the backtest, which are forecast only after a training."""
    if blocks := [stage for stage in run.stages.values() if stage.name == "backtest"]:
        from gristmill.domains.timeseries.backtest_blocks import check_blocks

        trained: list[Any] = [stage.settings["train"] for stage in blocks]
        settings: Any = run.pipeline.tables["backtest"]
        check_blocks(_prepared(run), settings, all(train.patience is not None for train in trained))


def _prepared(run: Run) -> Any:
    return run.domain_module("dataset").read(run.store.open_verified(run.record().references["preprocess"]).path)
