"""Models that somebody else wrote, where gristmill loads its own: their code never runs, their links lead nowhere.

Whoever swaps a file of the store is met by its hash before anything is parsed. Whoever can write to the store can forge
every hash in it, and is met by Keras's safe mode; a SavedModel is a program of TensorFlow's, which nothing stops then.
"""

import json
import pickle
import resource
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from gristmill import keys
from gristmill.domains.vision import pretrained
from gristmill.domains.vision.models import Shape
from gristmill.errors import CorruptArtifact, RequestError
from gristmill.export import bundle
from gristmill.store.artifact import MANIFEST
from gristmill.training import saved_network
from helpers.scoreboard import Fault
from helpers.support import Command, published, records

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.fault(28), pytest.mark.slow]

Config = dict[str, Any]
Hostile = Callable[[Config, Path], None]  # changes a network's config into one that touches a file

BOUND = 1 << 30  # bytes of memory that a refusal may need


class Canary:
    """An object whose unpickling makes a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self._file,))


@pytest.fixture
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file that hostile code would make."""
    file = tmp_path_factory.mktemp("canary") / "canary"
    yield file
    assert not file.exists(), "code of the model has run"


@contextmanager
def bounded() -> Iterator[None]:
    """Let this process take little more memory than it has."""
    if sys.platform != "linux":
        yield
        return
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + BOUND, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def lambda_layer(config: Config, canary: Path) -> None:
    touch = lambda inputs, name: [inputs, __import__("pathlib").Path(name).touch()][0]  # noqa: E731 - Keras keeps its code
    layer = keras.layers.Lambda(touch, arguments={"name": str(canary)})
    _add(config, keras.saving.serialize_keras_object(layer))


def system(config: Config, canary: Path) -> None:
    _dense(config)["activation"] = _named("os", "system")


def builtin(config: Config, canary: Path) -> None:
    _add(config, _named("builtins", "exec") | {"class_name": "exec", "config": {"name": f"open({canary!r})"}})


def download(config: Config, canary: Path) -> None:
    _dense(config)["activation"] = _named("keras.utils", "get_file")


def vocabulary(config: Config, canary: Path) -> None:
    layer = keras.saving.serialize_keras_object(keras.layers.StringLookup(vocabulary=["a"]))
    layer["config"]["vocabulary"] = __file__
    _add(config, layer)


def saved_model(config: Config, canary: Path) -> None:
    made = {"filepath": str(canary.parent), "call_endpoint": "serve", "name": "inner"}
    _add(config, {"module": "keras.layers", "class_name": "TFSMLayer", "config": made})


def huge(config: Config, canary: Path) -> None:
    _dense(config)["units"] = 10**14


def _add(config: Config, layer: Config) -> None:
    config["layers"].append({"name": "hostile", "inbound_nodes": []} | layer)


def _dense(config: Config) -> Config:
    """Return the settings of the dense layer in a network, or in one within it."""
    for layer in config["layers"]:
        if layer["class_name"] == "Dense":
            return cast(Config, layer["config"])
        if "layers" in layer["config"]:
            return _dense(layer["config"])
    raise LookupError("no dense layer")


def _named(module: str, name: str) -> Config:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def change_config(file: Path, change: Hostile, canary: Path) -> None:
    """Change the config in a `.keras` file."""
    kept = file.rename(file.with_name("kept"))
    with zipfile.ZipFile(kept) as before, zipfile.ZipFile(file, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config["config"], canary)
                content = json.dumps(config).encode()
            after.writestr(name, content)
    kept.unlink()


def forge(project: Path, file: Path) -> None:
    """Have every hash in the store be that of a file of the export as it is now, as its owner could."""
    path = file.parent / MANIFEST
    manifest = json.loads(path.read_text())
    del manifest["seal"]
    before = manifest["digest"]
    manifest["files"][file.name] = {"size": file.stat().st_size, "sha256": keys.digest_of_file(file)}
    manifest["digest"] = keys.digest_of({name: told["sha256"] for name, told in manifest["files"].items()})
    path.write_text(json.dumps(manifest | {"seal": keys.digest_of(manifest)}))
    (record,) = (project / "data/store/runs/small").glob("*.json")
    record.write_text(record.read_text().replace(before, manifest["digest"]))
    assert records(project)[0].references["export"]["digest"] == manifest["digest"]


def exported(project: Path) -> Path:
    """Return the model of the project's only run."""
    (folder,) = published(project / "data/store", "export")
    return folder / "model.keras"


def test_a_model_that_was_swapped_is_met_by_its_hash(
    finished: Path, command: Command, canary: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_config(exported(finished), lambda_layer, canary)
    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: pytest.fail("it was parsed"))

    said = command("predict", "small")

    fault.said(said.err.replace(str(finished), "…"))
    assert said.status == 1
    assert said.err == f"error: {exported(finished)}: altered since it was published (its SHA-256 does not hold).\n"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda_layer, "Lambda"),
        (system, "Could not locate function 'system'"),
        (builtin, "Could not locate class 'exec'"),
        (download, "Cannot deserialize `keras.utils.get_file` because it is not a modeling function"),
        (vocabulary, "Requested the loading of a vocabulary file outside of the model archive"),
        (saved_model, "TFSMLayer"),
    ],
)
def test_a_model_with_all_hashes_forged_is_met_by_keras(
    finished: Path, command: Command, canary: Path, change: Hostile, told: str, fault: Fault
) -> None:
    change_config(exported(finished), change, canary)
    forge(finished, exported(finished))

    with bounded():
        said = command("predict", "small")

    fault.said(said.err.replace(str(finished), "…"))
    assert said.status == 1
    assert said.err.startswith(f"error: {exported(finished)}: refused (")
    assert said.err.endswith("). Nothing in it was run. Run again with --refresh export.\n")
    assert told in said.err
    assert said.err.count("\n") == 1


def test_a_model_that_is_larger_than_memory_is_told_so(
    finished: Path, command: Command, canary: Path, fault: Fault
) -> None:
    change_config(exported(finished), huge, canary)
    forge(finished, exported(finished))

    with bounded():
        said = command("predict", "small")

    fault.said(said.err.replace(str(finished), "…"))
    assert said.status == 1
    assert said.err == f"error: {exported(finished)}: takes more memory than is free. Free some.\n"


@pytest.mark.parametrize("name", ["../../canary", "assets/../../../canary", "/canary"])
def test_a_path_out_of_a_model_leads_nowhere(finished: Path, command: Command, canary: Path, name: str) -> None:
    inside = str(canary) if name == "/canary" else name
    with zipfile.ZipFile(exported(finished), "a") as archive:
        archive.writestr("assets/a", b"")
        archive.writestr(inside, b"written")
    forge(finished, exported(finished))

    with pytest.warns(UserWarning, match="Skipping invalid path"):
        assert command("predict", "small").status == 0

    assert not [*finished.parent.rglob("canary")]


def bomb(file: Path, canary: Path) -> None:
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("assets/a", "w") as inside:
        for _ in range(300):
            inside.write(bytes(1 << 20))


def pickled(file: Path, canary: Path) -> None:
    file.write_bytes(pickle.dumps(Canary(canary)))


def legacy(file: Path, canary: Path) -> None:
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.save(file.with_name("model.h5"))
    file.with_name("model.h5").rename(file)


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (bomb, "refusing to extract a potential decompression bomb"),
        (pickled, "refused (no Keras archive)"),
        (legacy, "refused (no Keras archive)"),
    ],
)
def test_what_is_no_model_of_keras_is_refused(
    finished: Path, canary: Path, write: Callable[[Path, Path], None], told: str, fault: Fault
) -> None:
    write(exported(finished), canary)

    with bounded(), pytest.raises(CorruptArtifact) as refused:
        bundle.load(exported(finished).parent, "keras")

    fault.said(str(refused.value).replace(str(finished), "…"))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((10**14,), "<f4"), ((2, 3), "<U100000000")],
    ids=["shape", "type"],
)
def test_weights_that_declare_more_than_memory_holds_are_refused_unread(
    tmp_path: Path, shape: tuple[int, ...], kind: str, fault: Fault
) -> None:
    saved_network.write(keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]), tmp_path)
    with zipfile.ZipFile(tmp_path / "weights.npz", "w") as archive:
        for name in ("0000.npy", "0001.npy"):
            with archive.open(name, "w") as array:
                header = {"descr": kind, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(array, header)

    with bounded(), pytest.raises(CorruptArtifact) as refused:
        saved_network.read(tmp_path)

    fault.said(str(refused.value).replace(str(tmp_path), "…"))
    assert str(refused.value) == (
        f"{tmp_path}: the weights do not fit the architecture. Run again with --refresh train."
    )


def test_a_saved_model_whose_hashes_were_forged_can_write_files(tmp_path: Path) -> None:
    """What is not protected: the page on security says so, and this shows that it is true."""

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 1))])
        def serve(self, inputs: Any) -> Any:
            tf.io.write_file(str(tmp_path / "written"), "by the model")
            return inputs

    module = Writer()
    tf.saved_model.save(module, tmp_path / "saved_model", signatures=module.serve)

    bundle.load(tmp_path, "saved_model")(np.zeros((1, 1), np.float32))

    assert (tmp_path / "written").read_text() == "by the model"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound weights of a network."""
    file = tmp_path_factory.mktemp("weights") / "sound.weights.h5"
    keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(file)
    return file


def linked(vars_: h5py.Group, secret: Path) -> None:
    vars_["0"] = h5py.ExternalLink(secret, "data")


def external(vars_: h5py.Group, secret: Path) -> None:
    vars_.create_dataset("0", (3, 3, 3, 16), "f4", external=[(secret, 0, 1728)])


def virtual(vars_: h5py.Group, secret: Path) -> None:
    layout = h5py.VirtualLayout((3, 3, 3, 16), "f4")
    layout[:] = h5py.VirtualSource(secret, "data", (3, 3, 3, 16))
    vars_.create_virtual_dataset("0", layout)


def shaped(vars_: h5py.Group, secret: Path) -> None:
    vars_.create_dataset("0", (1 << 20, 1 << 20), "f4", chunks=(64, 64), compression="gzip")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (linked, "Not allowed: H5 file with ExternalLink"),
        (external, "Not allowed: H5 file with external Dataset"),
        (virtual, "Not allowed: H5 file with virtual Dataset"),
        (shaped, "Not allowed: H5 dataset '0' declares 4.00 TB but only 0.00 B are stored on disk"),
    ],
)
def test_weights_that_lead_to_other_files_or_to_petabytes_are_refused(
    weights: Path, tmp_path: Path, change: Callable[[h5py.Group, Path], None], told: str, fault: Fault
) -> None:
    secret, hostile = tmp_path / "secret.h5", tmp_path / "hostile.weights.h5"
    with h5py.File(secret, "w") as other:
        other["data"] = np.ones((3, 3, 3, 16), np.float32)
    shutil.copy(weights, hostile)
    with h5py.File(hostile, "a") as file:
        (first,) = (group for name, group in file["layers"].items() if name == "conv2d")
        del first["vars/0"]
        change(first["vars"], secret)

    with bounded(), pytest.raises(RequestError) as refused:
        pretrained.load("MobileNetV3Small", str(hostile), Shape(height=32, width=32, channels=3, classes=2))

    fault.said(str(refused.value).replace(str(tmp_path), "…"))
    assert str(refused.value).startswith(f"{hostile}: not the weights of MobileNetV3Small without its top ({told}")
    assert "\n" not in str(refused.value)


def test_pickled_weights_are_refused(tmp_path: Path, canary: Path, fault: Fault) -> None:
    for name in ("hostile.weights.h5", "hostile.h5", "hostile.pkl", "hostile.npz"):
        (tmp_path / name).write_bytes(pickle.dumps(Canary(canary)))
        with pytest.raises(RequestError) as refused:
            pretrained.load("MobileNetV3Small", str(tmp_path / name), Shape(32, 32, 3, 2))
        fault.said(str(refused.value).replace(str(tmp_path), "…"))
    fault.tried(4)
