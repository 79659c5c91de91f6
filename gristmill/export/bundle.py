"""The bundle of exported models: written in each format, then checked against the scored predictions.

`export_network` writes the formats (`formats.py`). `check_parity` loads each in a fresh process, which has run none of
the training code, and compares its predictions with the scored ones. The same process replays the samples of the export
kit (`kit.py`).
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
from gristmill.export import kit
from gristmill.export.formats import FORMATS, LABELLED, VIEWS, Outputs, Predictor, open_saved_model
from gristmill.export.kit import Sample
from gristmill.settings.number_text import format_number
from gristmill.training.keras_backend import import_keras
from gristmill.training.named_arrays import count_bytes, join_arrays, split_arrays
from gristmill.util.extras import require_extra
from gristmill.util.processes import module_command
from gristmill.util.table_io import read_document, write_document

if TYPE_CHECKING:
    import keras


Inputs = npt.NDArray[Any]  # (rows, …): numbers, or texts as objects; or of several inputs (`named_arrays.py`)
Decide = Callable[[Inputs], Inputs]  # from probabilities, (rows, classes), to positions of classes, (rows,)
Wrap = Callable[[Outputs], Outputs]
Reload = Callable[[Path, Iterable[str], Path], None]  # bundle, formats, folder of inputs and predictions

_ANSWERS = "answers.json"  # of the kit, in the folder of inputs and predictions
_MAX_ROWS, _MAX_BYTES = 1024, 4 << 20  # per call of a model

_prestarted: list[Reload] = []  # of a process that no export uses yet


def export_network(network: "keras.Model", formats: Iterable[str], out: Path) -> None:
    """Write the network below `out` in each format."""
    for form in formats:
        FORMATS[form].write(network, out / FORMATS[form].path)


def check_parity(
    reload: Reload,
    bundle: Path,
    formats: Iterable[str],
    inputs: Inputs,
    scored: Inputs,
    tolerance: float,
    decide: Decide | None = None,
    sample: Sample | None = None,
) -> float:
    """Load every format by `reload` of `fresh_process`, and return the largest difference from the scored predictions.

    Inputs are the raw ones of the scored rows; the tolerance is the largest difference allowed. With `decide`, the
    label of a SavedModel must be the class that its probabilities decide. With a `sample`, a bundle with a SavedModel
    gets the export kit, whose files must reproduce the scored predictions too.

    Raises:
        ParityError: the predictions differ; the message names the format and the difference.
    """
    with TemporaryDirectory() as folder:
        write_inputs(inputs, Path(folder))
        has_kit = sample is not None and (bundle / kit.SAVED_MODEL).is_dir()
        if sample and has_kit:
            kit.write(bundle, sample, required_modules(bundle))
        loaded = {form: LABELLED if decide and form == "saved_model" else form for form in formats}
        reload(bundle, loaded.values(), Path(folder))
        largest = 0.0
        for form, name in loaded.items():
            predicted = np.load(Path(folder) / f"{name}.npy", allow_pickle=False)
            if decide and name == LABELLED:
                predicted, labels = predicted[:, :-1], predicted[:, -1]
                if not np.array_equal(labels, decide(predicted)):
                    raise ParityError(
                        "the exported saved_model model gives other labels than its probabilities decide. Nothing was "
                        "exported; run again with --refresh evaluate."
                    )
            difference = _difference(predicted, scored)
            if not difference <= tolerance:
                raise ParityError(
                    f"the exported {form} model differs from the scored one by {format_number(difference)}, "
                    f"more than {format_number(tolerance)}. Nothing was exported; look for layers that do not save "
                    "all their weights."
                )
            largest = max(largest, difference)
        if sample and has_kit:
            answers = read_document(Path(folder, _ANSWERS))
            largest = max(largest, kit.check(answers, sample, tolerance, decide))
            kit.write_body(bundle / kit.RESPONSE, sample.answer(answers[kit.REQUEST]))
    return largest


def check_same_as_scored(predicted: Inputs, scored: Inputs, tolerance: float) -> None:
    """Check that the network to export reproduces the scored predictions.

    Raises:
        ParityError: the predictions differ by more than the tolerance.
    """
    difference = _difference(predicted, scored)
    if not difference <= tolerance:
        raise ParityError(
            f"the network to export gives other predictions than were scored (by {format_number(difference)}). "
            "Nothing was exported; run again with --refresh evaluate."
        )


def _difference(predicted: Inputs, scored: Inputs) -> float:
    """Return the largest difference; infinite if the shapes differ, NaN if a prediction is NaN."""
    return float(np.abs(predicted - scored).max()) if predicted.shape == scored.shape else float("inf")


@contextmanager
def fresh_process() -> Iterator[Reload]:
    """Start a Python process that loads TensorFlow while the block still writes; yield a function to use it once.

    The process runs `reproduce`. It may have been started by `prestart_parity_check`.
    """
    if _prestarted:
        yield _prestarted.pop()
        return
    line, environment = module_command("gristmill.export.bundle")
    pipe = subprocess.PIPE
    with subprocess.Popen(line, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:

        def reload(bundle: Path, formats: Iterable[str], folder: Path) -> None:
            _, errors = process.communicate(f"{json.dumps([str(bundle), str(folder), *formats])}\n")
            if process.returncode != 0:
                message = (errors.strip().splitlines() or ["no message"])[-1]
                exited = f"in a fresh process (exit {process.returncode}): {message}"
                raise ParityError(f"the exported model could not be reloaded {exited}")

        try:
            yield reload
        finally:
            process.kill()


@contextmanager
def prestart_parity_check() -> Iterator[None]:
    """Start the process for the next `fresh_process` within the block; at the end of the block it is ended."""
    with fresh_process() as reload:
        _prestarted.append(reload)
        try:
            yield
        finally:
            _prestarted.clear()


def write_inputs(inputs: Inputs, folder: Path) -> None:
    """Write inputs for a fresh process: texts as JSON, because NumPy would pickle them."""
    for name, values in split_arrays(inputs).items():
        if values.dtype == object:
            write_document(folder / f"inputs_{name}.json", values.tolist())
        else:
            np.save(folder / f"inputs_{name}.npy", values, allow_pickle=False)


def read_inputs(folder: Path) -> Inputs:
    """Return the inputs that `write_inputs` wrote."""
    return join_arrays(
        {
            path.stem.removeprefix("inputs_"): np.array(read_document(path), object)
            if path.suffix == ".json"
            else np.load(path, allow_pickle=False)
            for path in folder.glob("inputs_*")
        }
    )


def reproduce(bundle: Path, formats: Iterable[str], folder: Path) -> None:
    """Predict the inputs in a folder with each format, and replay the kit of a bundle that has one.

    Writes the predictions to `folder/<format>.npy`, and the kit's answers to `folder/answers.json`.
    """
    import_required_ops(bundle)
    path = bundle / kit.SAVED_MODEL
    model = open_saved_model(path) if path.is_dir() else None  # kept, so that it is loaded once for all its views
    for form in formats:
        np.save(folder / f"{form}.npy", load(bundle, form)(read_inputs(folder)), allow_pickle=False)
    if (bundle / kit.REQUEST).exists():
        write_document(folder / _ANSWERS, kit.replay(bundle, model))


def load(bundle: Path, form: str = "", wrap: Wrap = lambda outputs: outputs) -> Predictor:
    """Return a function from raw inputs to predictions of a bundle with verified hashes.

    Args:
        bundle: its folder.
        form: a format, or a view of the SavedModel; default: the bundle's first format.
        wrap: applied to the function from raw inputs to outputs, for example to merge concurrent calls.

    Raises:
        RequestError: the model's graph needs an extra that is not installed.
    """
    import_required_ops(bundle)
    form = form or read_document(bundle / "signature.json")["formats"][0]
    chosen = FORMATS["saved_model" if form in VIEWS else form]
    predict = VIEWS.get(form, chosen.load)(bundle / chosen.path)
    outputs = wrap(lambda inputs: {"": predict(inputs)})
    return predict_in_blocks(lambda inputs: outputs(inputs)[""])


def import_required_ops(bundle: Path) -> None:
    """Import the package whose operations the bundle's graph uses.

    Raises:
        RequestError: it is not installed.
    """
    if "tensorflow_text" in required_modules(bundle):
        require_extra("the model's graph", "subwords")
        import tensorflow_text  # noqa: F401  # the import registers its operations with TensorFlow


def required_modules(bundle: Path) -> list[str]:
    """Return the modules that a program must import before it loads the bundle, as `needs` in its signature says."""
    signature = bundle / "signature.json"
    modules: list[str] = read_document(signature).get("needs", []) if signature.exists() else []
    return modules


def predict_in_blocks(predict: Predictor) -> Predictor:
    """Return a predictor that calls `predict` with few inputs at a time."""
    return lambda inputs: np.concatenate([predict(block) for block in in_blocks(inputs)])


def in_blocks(inputs: Inputs) -> Iterator[Inputs]:
    """Yield inputs, few at a time, to save memory."""
    rows = max(1, min(_MAX_ROWS, _MAX_BYTES * len(inputs) // max(count_bytes(inputs), 1)))
    yield from (inputs[begin : begin + rows] for begin in range(0, len(inputs), rows))


if __name__ == "__main__":
    import_keras()
    _bundle, _folder, *_formats = json.loads(sys.stdin.readline())
    reproduce(Path(_bundle), _formats, Path(_folder))
