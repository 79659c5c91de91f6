"""The bundle: what other programs load. Written in each format, then proved equal to what was scored.

`export_network` writes each format (`formats.py`). `check_parity` reloads each in a fresh process, which has seen none
of the code that trained, and compares its predictions with the scored ones.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gristmill.errors import ParityError
from gristmill.export.formats import FORMATS, Predictor
from gristmill.settings.messages import format_number
from gristmill.training.keras_backend import import_keras
from gristmill.util.extras import require_extra
from gristmill.util.processes import module_command
from gristmill.util.table_io import read_document, write_document

if TYPE_CHECKING:
    import keras


Inputs = npt.NDArray[Any]  # numbers, or texts as objects, (rows,)
Reload = Callable[[Path, Iterable[str], Path], None]  # predicts by a bundle what `write_inputs` wrote, in each format

_ROWS, _BYTES = 1024, 4 << 20  # inputs, and bytes of them, that a model is shown at a time


def export_network(network: "keras.Model", formats: Iterable[str], out: Path) -> None:
    """Write the network below `out` in each format."""
    for form in formats:
        FORMATS[form].write(network, out / FORMATS[form].place)


def check_parity(
    reload: Reload, bundle: Path, formats: Iterable[str], inputs: Inputs, scored: Inputs, tolerance: float
) -> float:
    """Reload every format in a fresh process, predict, and return the largest difference from what was scored.

    Args:
        reload: has a fresh process do it (`fresh_process`).
        bundle: folder with the exported files, unpublished or verified.
        formats: which of them to check.
        inputs: raw model inputs, the rows that were scored.
        scored: the predictions that were scored, of the same rows.
        tolerance: largest difference allowed, in the units of the predictions.

    Raises:
        ParityError: naming the format and its difference.
    """
    with TemporaryDirectory() as folder:
        write_inputs(inputs, Path(folder))
        reload(bundle, formats, Path(folder))
        largest = 0.0
        for form in formats:
            predicted = np.load(Path(folder) / f"{form}.npy", allow_pickle=False)
            difference = float(np.abs(predicted - scored).max()) if predicted.shape == scored.shape else float("inf")
            if not difference <= tolerance:
                raise ParityError(
                    f"the exported {form} model differs from the scored one by {format_number(difference)}, "
                    f"more than {format_number(tolerance)}. Nothing was exported; look for layers that do not save "
                    "all their weights."
                )
            largest = max(largest, difference)
    return largest


@contextmanager
def fresh_process() -> Iterator[Reload]:
    """Start a Python that loads TensorFlow while the block still writes, and give what has it predict, once.

    It predicts into `folder/<format>.npy`.
    """
    line, environment = module_command("gristmill.export.bundle")
    pipe = subprocess.PIPE
    with subprocess.Popen(line, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:

        def reload(bundle: Path, formats: Iterable[str], folder: Path) -> None:
            _, said = process.communicate(json.dumps([str(bundle), str(folder), *formats]))
            if process.returncode != 0:
                last = said.strip().splitlines()[-1:] or ["no message"]
                ended = f"in a fresh process (exit {process.returncode}): {last[0]}"
                raise ParityError(f"the exported model could not be reloaded {ended}")

        try:
            yield reload
        finally:
            process.kill()


def write_inputs(inputs: Inputs, folder: Path) -> None:
    """Write inputs for a fresh process: an array as it is, texts as JSON, for NumPy would pickle them."""
    if inputs.dtype == object:
        write_document(folder / "inputs.json", inputs.tolist())
    else:
        np.save(folder / "inputs.npy", inputs, allow_pickle=False)


def read_inputs(folder: Path) -> Inputs:
    """Return what `write_inputs` wrote."""
    if (folder / "inputs.json").exists():
        return np.array(read_document(folder / "inputs.json"), object)
    read: Inputs = np.load(folder / "inputs.npy", allow_pickle=False)
    return read


def load(bundle: Path, form: str) -> Predictor:
    """Return a function from raw inputs to predictions, by a bundle whose hashes were verified.

    Raises:
        RequestError: the model's graph needs an extra of the package that is not installed.
    """
    import_required_ops(bundle)
    return predict_in_blocks(FORMATS[form].load(bundle / FORMATS[form].place))


def import_required_ops(bundle: Path) -> None:
    """Import what brings operations that the bundle's graph is made of, as `needs` in its signature says.

    Raises:
        RequestError: it is not installed.
    """
    signature = bundle / "signature.json"
    if signature.exists() and "tensorflow_text" in read_document(signature).get("needs", []):
        require_extra("the model's graph", "subwords")
        import tensorflow_text  # noqa: F401  # TensorFlow knows the operations from then on


def check_same_as_scored(made: Inputs, scored: Inputs, tolerance: float) -> None:
    """Refuse a network whose predictions are not those that were scored, by more than a tolerance.

    Raises:
        ParityError: by how much they differ.
    """
    difference = float(np.abs(made - scored).max()) if made.shape == scored.shape else float("inf")
    if not difference <= tolerance:  # nor no number
        raise ParityError(
            f"the network to export gives other predictions than were scored (by {format_number(difference)}). "
            "Nothing was exported; run again with --refresh evaluate."
        )


def predict_in_blocks(predict: Predictor) -> Predictor:
    """Return the predictor as one that is shown few enough inputs at a time for its memory to stay small."""

    def predict_all(inputs: Inputs) -> Inputs:
        size = sum(map(len, inputs)) if inputs.dtype == object else inputs.nbytes
        rows = max(1, min(_ROWS, _BYTES * len(inputs) // max(size, 1)))
        blocks = [predict(inputs[begin : begin + rows]) for begin in range(0, len(inputs), rows)]
        return np.concatenate(blocks)

    return predict_all


if __name__ == "__main__":
    import_keras()
    _bundle, _folder, *_formats = json.load(sys.stdin)
    for _form in _formats:
        _predicted = load(Path(_bundle), _form)(read_inputs(Path(_folder)))
        np.save(Path(_folder, f"{_form}.npy"), _predicted, allow_pickle=False)
