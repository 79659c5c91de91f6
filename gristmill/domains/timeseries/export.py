"""Export: write the tested network as a bundle, and verify its predictions in a fresh process."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import AFTER_THE_END, FORECAST, PARTS, Prepared
from gristmill.domains.timeseries.forecasts import (
    Array,
    by_network,
    forecast_columns,
    quantile_name,
    read_first_predictions,
    split_exported,
)
from gristmill.domains.timeseries.intervals.quantiles import INTERVALS_FILE, intervals_of, with_quantiles
from gristmill.domains.timeseries.settings import Export
from gristmill.errors import count_of
from gristmill.export import bundle, model_card
from gristmill.export.bundle import check_parity, check_same_as_scored, export_network
from gristmill.export.kit import Sample, pick_rows
from gristmill.keys import digest_of_file
from gristmill.scores import FILE, MODEL, write_exported
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table, write_document, write_table

_MAX_PARITY_WINDOWS = 10 * saved_network.BATCH_ROWS  # windows to compare, in the same batches as those scored


def export(
    *, export: Export, preprocess: Path, train: Path, evaluate: Path, out: Path, refit: Path | None = None
) -> dict[str, int]:
    """Write the network in each format, and check that each format repeats the scored predictions.

    Writes `saved_model/`, `model.keras`, `signature.json`, `scores.json` (with the parity difference), the export kit,
    the model card and, if known columns do not prevent it, `forecast.parquet`: the forecast of the first series after
    the end of the data. A network without quantiles gets those that evaluate calibrated. A refit network is exported
    with the scores and the calibration of the tested network; it is compared with its own predictions.

    Raises:
        ParityError: the predictions of a reloaded model differ.
    """
    with bundle.fresh_process() as reload:
        # 1. Add the calibrated quantiles to the network, and write it in each format.
        keras.backend.clear_session()  # names of variables must not depend on other work of this process
        data, training = dataset.read(preprocess), read_document(train / "training.json")
        exported = refit or train
        network, levels = saved_network.read(exported), training["quantiles"]
        own = data.seen_by(network).layout
        past = min(own.past or own.history, own.history)  # values that a series must have; quantiles need no more
        if (evaluate / INTERVALS_FILE).exists():
            intervals = intervals_of(read_document(evaluate / INTERVALS_FILE))
            network, levels = with_quantiles(network, intervals), list(intervals.levels)
        data = data.seen_by(network)
        export_network(network, export.formats, out)

        # 2. Check that it repeats the scored forecasts, and that the files repeat it in a fresh process.
        starts, targets = data.origins("test")[:_MAX_PARITY_WINDOWS], len(data.layout.targets)
        predicted = by_network(network, data, starts)
        points, quantiles = split_exported(predicted, levels, targets)
        tolerance = export.tolerance * max(data.layout.deviation[:targets])
        if refit is None:  # forecasts exactly, their quantiles within the tolerance
            names = [quantile_name(level) for level in levels or ()]
            rows = read_first_predictions(evaluate, "test", points.size, [MODEL, *names])
            check_same_as_scored(points.ravel(), rows[MODEL].to_numpy(), tolerance=0)
            if quantiles is not None:
                check_same_as_scored(quantiles.reshape(-1, len(names)), rows[names].to_numpy(), tolerance)
        histories, expected = data.histories(starts), predicted.astype(np.float32)
        picked = pick_rows(histories)
        sample = Sample({"serving_default": {"history": histories[picked]}}, expected[picked])
        difference = check_parity(reload, out, export.formats, histories, expected, tolerance, sample=sample)

    # 3. Write the files about it.
    if (preprocess / AFTER_THE_END).exists():
        after = read_table(preprocess / AFTER_THE_END)
        write_table(out / FORECAST, forecast_after_the_end(network, data.only(slice(0, 1)), levels, after))
    learned, any_length = training["quantiles"] is not None, network.input_shape[1] is None
    described = signature(data, any_length, past, levels, learned)
    write_document(out / "signature.json", described | {"formats": list(export.formats)})
    lineage = {"judged": digest_of_file(train / "weights.npz"), "exported": digest_of_file(exported / "weights.npz")}
    write_exported(out, evaluate, parity=difference, weights=lineage, refit=refit is not None)
    is_tested_whole = refit is None and len(starts) == len(data.origins("test"))
    losses = np.abs(points - data.targets(starts)).mean(axis=(1, 2)) if is_tested_whole else np.empty(0)
    known = facts(data, network.count_params(), past, levels, losses, evaluate, refit is not None)
    model_card.write(out, known, exported)
    return {"formats": len(export.formats), "parity_windows": len(starts)}


def forecast_after_the_end(
    network: keras.Model, series: Prepared, levels: list[float] | None, after: pd.DataFrame
) -> pd.DataFrame:
    """Return the forecast of a series after its end: `ds`, a column for each target, and its quantiles.

    `after` has the times of the horizon and the known columns there.
    """
    layout = series.layout
    window = series.histories(series.bounds[:, 1])
    if layout.known:  # shifted, see `dataset.py`
        window[0, -layout.horizon :, layout.channels :] = after[layout.known]
    points, quantiles = split_exported(np.asarray(network(window)), levels, len(layout.targets))
    return pd.DataFrame({"ds": after["ds"]} | forecast_columns(layout.targets, points, levels, quantiles))


def signature(
    data: Prepared, any_length: bool, past: int, levels: list[float] | None, learned: bool
) -> dict[str, object]:
    """Return the signature: input, output, columns and times of the model.

    `past` is the number of values that a series must have; its window may begin with NaN. If the network has `learned`
    the quantiles, the median is the forecast; otherwise they follow it.
    """
    # Name the columns of the output, in the order of `with_quantiles` or of a network that learns them.
    layout = data.layout
    quantiles = [f" {quantile_name(level)}" for level in levels or ()]
    suffixes = quantiles if learned else ["", *quantiles]
    outputs = [f"{name}{suffix}" for name in layout.targets for suffix in suffixes]
    # Describe what the columns of the input are values of.
    last = f"{len(layout.known)} columns are" if len(layout.known) > 1 else "column is"
    ahead = f"; the last {last} read {count_of(layout.horizon, 'steps')} ahead" if layout.known else ""
    shorter = "; NaN before a series begins" if past < layout.history else ""
    return {
        "input": {
            "name": "history",
            "dtype": "float32",
            "shape": [None, None if any_length else layout.history, len(layout.columns)],
            "columns": layout.columns,
            "holds": f"the last {layout.history} observations, in the data's own units{shorter}{ahead}",
        },
        "output": {
            "dtype": "float32",
            "shape": [None, layout.horizon, len(outputs)],
            "columns": outputs,
            "holds": f"the next {count_of(layout.horizon, 'observations')}, in the data's own units",
        },
        "targets": layout.targets,
        "inputs": layout.inputs,
        "known": layout.known,
        "frequency": layout.frequency,
        "anchor": data.times.min().item() if data.times.dtype == "int64" else str(data.times.min()),
        "history": layout.history,
        "past": past,
        "any_length": any_length,
        "horizon": layout.horizon,
        "quantiles": levels,
    }


def facts(
    data: Prepared,
    parameters: int,
    past: int,
    levels: list[float] | None,
    losses: Array,
    evaluate: Path,
    refit: bool,
) -> model_card.Facts:
    """Return the facts of the model card; `losses` are the absolute errors of the windows of the test set."""
    layout, steps = data.layout, count_of(data.layout.horizon, "steps")
    targets = ", ".join(layout.targets)
    about = [f"{count_of(len(data.ids), 'series')} with {len(data.times):,} observations."]
    if layout.inputs:
        about.append(f"Further inputs: {', '.join(layout.inputs)}.")
    if layout.known:
        about.append(f"Columns that must be known {steps} ahead: {', '.join(layout.known)}.")
    if refit:
        about.append("After the test, the model was trained again on all data; the scores are those before that.")
    # Count the observations of each part that is not empty, and name its first and last time.
    parts = {}
    for part in PARTS:
        begin, end = data.part(part)[np.diff(data.part(part))[:, 0] > 0].T
        if len(begin):
            ends = {"from": data.times[begin].min(), "to": data.times[end - 1].max()}
            times = {name: str(time).removesuffix(" 00:00:00") for name, time in ends.items()}
            parts[part] = {"observations": f"{(end - begin).sum():,}"} | times
    # Say how often the intervals held on the test set.
    tested = read_document(evaluate / FILE)["model"]["test"]
    intervals = []
    if levels and tested.get("coverage") is not None:
        intervals = [
            f"Each forecast has quantiles. {levels[-1] - levels[0]:.0%} of the values should be between the quantiles "
            f"{levels[0]:g} and {levels[-1]:g}; on the test set, {tested['coverage']:.1%} were."
        ]
    return model_card.Facts(
        title=f"Forecast of {targets}",
        task="time-series-forecasting",
        use=f"Forecasts the next {count_of(layout.horizon, 'values')} of {targets} from the last {layout.history:,}, "
        f"at the frequency `{layout.frequency}`.",
        parameters=parameters,
        data=[*about, "The parts follow each other in time."],
        parts=parts,
        limits=[
            f"It needs at least {past} values at the same frequency, without gaps, and forecasts {steps}.",
            "Forecasts assume that the series continues to behave as in the training set.",
        ],
        intervals=intervals,
        losses=losses,
        block=layout.horizon,
    )
