"""Write windows as TFRecord shards, for programs that train on them with plain `tf.data`.

gristmill itself gathers windows by index, which takes a thirtieth of the space. A reader does not need gristmill:

    shapes = json.loads((folder / "windows.json").read_text())
    features = {name: tf.io.FixedLenFeature(shapes[name], tf.float32) for name in ("history", "target")}
    files = sorted(str(path) for path in folder.glob("train-*.tfrecord"))
    data = tf.data.TFRecordDataset(files).batch(64).map(lambda rows: tf.io.parse_example(rows, features))

Values are in the series' own units; `windows.json` names the columns and has mean and deviation of the training set.
"""

from pathlib import Path
from typing import Any

from gristmill.domains.timeseries.dataset import PARTS, Prepared
from gristmill.domains.timeseries.windows import Origins
from gristmill.training.keras_backend import import_keras
from gristmill.util.table_io import write_document

SHARD_BYTES = 64 << 20  # at most, unless one window is larger


def write(data: Prepared, out: Path) -> int:
    """Write the windows of every part to `out` and return the number of shards.

    Each record is a `tf.train.Example` with the float features `history` (history, columns) and `target`
    (horizon, targets), row by row.
    """
    out.mkdir()
    layout = data.layout
    floats = layout.history * len(layout.columns) + layout.horizon * len(layout.targets)
    size = max(1, SHARD_BYTES // (4 * floats))
    shards = 0
    for part in PARTS:
        starts = data.complete_origins(part)
        blocks = [starts[begin : begin + size] for begin in range(0, len(starts), size)]
        for number, block in enumerate(blocks):
            _write_shard(data, block, out / f"{part}-{number:05d}-of-{len(blocks):05d}.tfrecord")
        shards += len(blocks)
    write_document(
        out / "windows.json",
        {
            "history": [layout.history, len(layout.columns)],
            "target": [layout.horizon, len(layout.targets)],
            "columns": layout.columns,
            "known_ahead": f"the last {len(layout.known)} columns are read {layout.horizon} steps ahead",
            "mean": layout.mean,
            "deviation": layout.deviation,
            "windows": {part: len(data.complete_origins(part)) for part in PARTS},
        },
    )
    return shards


def _write_shard(data: Prepared, starts: Origins, path: Path) -> None:
    import_keras()
    import tensorflow as tf

    from gristmill.training.tf_disk_errors import translate_tf_disk_errors

    def floats(values: Any) -> Any:
        return tf.train.Feature(float_list=tf.train.FloatList(value=values.ravel()))

    with translate_tf_disk_errors(path), tf.io.TFRecordWriter(str(path)) as writer:
        for history, target in zip(data.histories(starts), data.targets(starts), strict=True):
            features = tf.train.Features(feature={"history": floats(history), "target": floats(target)})
            writer.write(tf.train.Example(features=features).SerializeToString())
