"""Small pipeline of `peers.py`, written for each tool."""

WIDTH = "UNITS = {units}\n"

WORK = '''
import json
from pathlib import Path

import numpy as np
import pandas as pd


def prepare():
    """Cut the series into windows of 12 months and the month after each."""
    series = pd.read_csv("series.csv")["sunspots"].to_numpy("float32")
    windows = np.lib.stride_tricks.sliding_window_view(series, 13)
    np.savez("windows.npz", past=windows[:, :-1], next=windows[:, -1])


def train(epochs):
    """Train on all but the last forty windows."""
    import keras
    from width import UNITS

    keras.utils.set_random_seed(42)
    data = np.load("windows.npz")
    model = keras.Sequential([keras.layers.Dense(UNITS, activation="relu"), keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mae")
    model.fit(data["past"][:-40], data["next"][:-40], epochs=epochs, verbose=0)
    model.save("model.keras")


def evaluate():
    """Score the last forty windows."""
    import keras

    data = np.load("windows.npz")
    model = keras.models.load_model("model.keras")
    mae = float(np.abs(model.predict(data["past"][-40:], verbose=0)[:, 0] - data["next"][-40:]).mean())
    Path("scores.json").write_text(json.dumps({"mae": mae, "parameters": model.count_params()}))
'''

DVC = """
stages:
  prepare:
    cmd: {python} -c "import work; work.prepare()"
    deps: [series.csv, work.py]
    outs: [windows.npz]
  train:
    cmd: {python} -c "import work, yaml; work.train(yaml.safe_load(open('params.yaml'))['epochs'])"
    deps: [windows.npz, work.py]
    params: [epochs]
    outs: [model.keras]
  evaluate:
    cmd: {python} -c "import work; work.evaluate()"
    deps: [model.keras, windows.npz, work.py]
    outs: [scores.json]
"""

METAFLOW = """
import json
from pathlib import Path

import work
from metaflow import FlowSpec, step


class SunspotsFlow(FlowSpec):
    @step
    def start(self):
        work.prepare()
        self.next(self.train)

    @step
    def train(self):
        work.train(json.loads(Path("params.json").read_text())["epochs"])
        self.next(self.end)

    @step
    def end(self):
        work.evaluate()


if __name__ == "__main__":
    SunspotsFlow()
"""

GRISTMILL = """
[pipelines.small]
domain = "timeseries"

[pipelines.small.source]
kind = "csv"
path = "series.csv"

[pipelines.small.ingest]
time = "month"
target = "sunspots"

[pipelines.small.preprocess]
history = 12
validation = 40
test = 40

[pipelines.small.model]
kind = "model.py:build"

[pipelines.small.train]
epochs = {epochs}
"""

MODEL = '''
import keras
from width import UNITS


def build(shape):
    """A hidden layer."""
    return keras.Sequential(
        [
            keras.Input((shape.history, shape.columns)),
            keras.layers.Flatten(),
            keras.layers.Dense(UNITS, activation="relu"),
            keras.layers.Dense(shape.outputs),
        ]
    )
'''
