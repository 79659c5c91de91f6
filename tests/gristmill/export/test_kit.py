"""The files that show how to use a model are used in the parity proof, and a wrong one stops the export."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from gristmill.errors import ParityError
from gristmill.export import bundle, kit, warmup
from gristmill.export.kit import Sample
from helpers.support import here

ROWS = np.array([[1, 2], [3, 4]], np.float32)
SCORED = np.array([[0.75, 0.25], [0.25, 0.75]], np.float32)
NAMES = ["no", "yes"]


def exported(folder: Path, inputs: np.ndarray = ROWS) -> Path:
    """Write a SavedModel of a classifier that has learned two rows by heart."""

    def serve(numbers: tf.Tensor) -> dict[str, tf.Tensor]:
        second = tf.cast(numbers[:, :1] > 2, tf.float32) / 2 + 0.25
        made = tf.concat([1 - second, second], axis=1)
        names = tf.constant(NAMES)
        return {
            "probabilities": made,
            "classes": tf.repeat(names[tf.newaxis], tf.shape(made)[0], axis=0),
            "label": tf.gather(names, tf.argmax(made, axis=1)),
        }

    archive = keras.export.ExportArchive()
    archive.add_endpoint("serving_default", serve, [tf.TensorSpec((None, 2), tf.float32, name="numbers")])
    archive.write_out(folder / "saved_model", verbose=False)
    return folder


def proved(folder: Path, sample: Sample) -> float:
    with here() as reload:
        return bundle.check_parity(
            reload, folder, ["saved_model"], ROWS, SCORED, 1e-6, lambda made: made.argmax(axis=1), sample
        )


SAMPLE = Sample({"serving_default": {"numbers": ROWS}}, SCORED)


def test_a_client_gets_the_answer_that_is_shown(tmp_path: Path) -> None:
    assert proved(exported(tmp_path), SAMPLE) == 0

    request, response = (json.loads((tmp_path / name).read_text()) for name in (kit.REQUEST, kit.RESPONSE))
    assert request == {"signature_name": "serving_default", "instances": [{"numbers": [1, 2]}, {"numbers": [3, 4]}]}
    assert [row["label"] for row in response["predictions"]] == NAMES
    assert response["predictions"][0] == {"probabilities": [0.75, 0.25], "classes": NAMES, "label": "no"}
    assert [name for name, _ in warmup.read(tmp_path / "saved_model")] == ["serving_default"]


@pytest.mark.slow
def test_the_example_runs_alone(tmp_path: Path) -> None:
    proved(exported(tmp_path), SAMPLE)

    line = [sys.executable, "-I", str(tmp_path / kit.EXAMPLE)]  # without PYTHONPATH, and so without gristmill
    ran = subprocess.run(line, capture_output=True, text=True, check=True, cwd="/")

    assert "'label': [b'no', b'yes']" in ran.stdout


def change_number(folder: Path) -> None:
    request = json.loads((folder / kit.REQUEST).read_text())
    request["instances"][0]["numbers"][0] = 3.0
    (folder / kit.REQUEST).write_text(json.dumps(request))


def change_warmup(folder: Path) -> None:
    (folder / "saved_model" / warmup.FILE).unlink()
    (folder / "saved_model" / warmup.FILE).parent.rmdir()
    warmup.write(folder / "saved_model", {"serving_default": {"numbers": ROWS[::-1]}})


def change_example(folder: Path) -> None:
    code = (folder / kit.EXAMPLE).read_text()
    (folder / kit.EXAMPLE).write_text(code.replace('request["instances"]]', 'request["instances"][:1]]'))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (change_number, r"sample_request\.json gives other predictions than were scored \(by 0\.5\)"),
        (change_warmup, r"the warm-up request for serving_default gives other predictions"),
        (change_example, r"example\.py gives other predictions than were scored \(by inf\)"),
    ],
)
def test_a_wrong_part_of_the_kit_is_refused(
    tmp_path: Path, change: Callable[[Path], None], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = kit.write

    def write_wrong(folder: Path, *rest: object) -> None:
        write(folder, *rest)
        change(folder)

    monkeypatch.setattr(kit, "write", write_wrong)

    with pytest.raises(ParityError, match=rf"the bundle's {part}.*Nothing was exported"):
        proved(exported(tmp_path), SAMPLE)
    assert not (tmp_path / kit.RESPONSE).exists()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"text": ["O Rom"]}, None),
        ({"text": ["O Jul"]}, "gives another text than was scored: 'O Jul'"),
    ],
)
def test_a_text_must_begin_what_was_scored(answer: dict[str, list[str]], expected: str | None) -> None:
    sample = Sample({}, np.array(["O Romeo, Romeo"], object), by_row=False)

    if expected is None:
        assert kit.check({"a": answer}, sample, 1e-4) == 0
    else:
        with pytest.raises(ParityError, match=expected):
            kit.check({"a": answer}, sample, 1e-4)


def test_labels_are_those_that_the_probabilities_decide() -> None:
    answer = {"probabilities": SCORED.tolist(), "classes": [NAMES, NAMES], "label": ["yes", "yes"]}

    with pytest.raises(ParityError, match="gives other labels than the probabilities decide"):
        kit.check({"a": answer}, SAMPLE, 1e-6, lambda made: made.argmax(axis=1))


@pytest.mark.parametrize(
    ("request_", "imports"),
    [
        ({"instances": [{"text": "a"}]}, ["import json", "import tensorflow as tf"]),
        ({"instances": [{"encoded": {"b64": ""}}]}, ["import base64", "import json", "import tensorflow as tf"]),
        ({"inputs": {"prompt": ["a"], "length": 1}}, ["import json", "import tensorflow as tf"]),
    ],
)
def test_the_example_imports_only_what_it_uses(request_: dict[str, object], imports: list[str]) -> None:
    code = kit.example(request_, [])

    compile(code, kit.EXAMPLE, "exec")
    assert [line for line in code.splitlines() if line.startswith("import ")] == imports
    assert "import tensorflow_text" in kit.example(request_, ["tensorflow_text"])
