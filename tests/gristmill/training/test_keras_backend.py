"""Keras at its defaults; native chatter is dropped, what Python says is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from gristmill.training.keras_backend import (
    LINEAR_ALGEBRA_VARIABLES,
    THREADS_VARIABLE,
    import_keras,
    set_threads,
    silence_stderr,
)

ROOT = Path(__file__).parents[3]


def test_what_native_code_and_children_write_in_the_block_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before\n")
    with silence_stderr():
        os.write(2, b"chatter\n")
        subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('child')"], check=True)
    os.write(2, b"after\n")
    assert capfd.readouterr().err.split() == ["before", "after"]


def test_standard_error_is_given_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), silence_stderr():
        raise ZeroDivisionError
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_without_a_standard_error_the_work_goes_on() -> None:
    code = "from gristmill.training.keras_backend import silence_stderr\nwith silence_stderr(): print('in')"
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" 2>&-', sys.executable, code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout == "in\n"


def test_no_descriptor_is_left_open() -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        with silence_stderr():
            pass
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.slow
def test_a_sign_of_life_is_given_before_prefect_and_tensorflow_are_imported() -> None:
    code = (
        "import sys\n"
        "from gristmill.prefect_runtime import server\n"
        "from gristmill.training import keras_backend, progress\n"
        "class Teller:\n"
        "    def work(self, what, state, logged): print(what, state, what in sys.modules)\n"
        "with progress.listening(Teller()):\n"
        "    for _ in range(2): server.start_api(), keras_backend.import_keras()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["prefect starting False", "tensorflow loading False"]


@pytest.mark.slow
def test_the_users_own_configuration_of_keras_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text('{"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}')
    code = (
        "from gristmill.training.keras_backend import import_keras; import_keras(); from keras import config as c; "
        "print(c.backend(), c.floatx(), c.epsilon(), c.image_data_format(), c.dtype_policy().name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT), "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["tensorflow", "float32", "1e-07", "channels_last", "float32"]
    assert done.stderr == ""


def test_threads_of_linear_algebra_are_those_of_the_project_that_was_opened_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = (THREADS_VARIABLE, *LINEAR_ALGEBRA_VARIABLES)
    for name in names:
        monkeypatch.setenv(name, "7")  # given back at the end
    monkeypatch.delenv(THREADS_VARIABLE)

    set_threads(None)
    assert {os.environ[name] for name in LINEAR_ALGEBRA_VARIABLES} == {"7"}  # the user's own
    set_threads(2)
    assert {os.environ[name] for name in names} == {"2"}
    set_threads(None)
    assert {name: os.environ.get(name) for name in names} == {
        THREADS_VARIABLE: None,
        "OMP_NUM_THREADS": None,
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "VECLIB_MAXIMUM_THREADS": "1",
    }


@pytest.mark.slow
def test_threads_are_limited_before_tensorflow_begins_and_never_behind_its_back() -> None:
    code = (
        "from gristmill.training.keras_backend import import_keras, set_threads\n"
        "set_threads(1)\nimport_keras()\n"
        "import tensorflow as tf\n"
        "pools = tf.config.threading\n"
        "print(pools.get_intra_op_parallelism_threads(), pools.get_inter_op_parallelism_threads())\n"
        "tf.constant(1)\nset_threads(2)\n"
        "try:\n    import_keras()\nexcept Exception as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "1 1",
        "TensorFlow has begun in this process without [runner] threads = 2. "
        "Start a new process, in which gristmill loads it.",
    ]


def test_tensors_are_added_in_the_order_of_the_code() -> None:
    import_keras()

    assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is False
