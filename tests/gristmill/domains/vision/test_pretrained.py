"""Networks of keras.applications: their pixels, their weights from files, their layers."""

import importlib
import shutil
import urllib.error
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from conftest import SHARED
from gristmill.domains.vision import pretrained
from gristmill.domains.vision.models import Shape
from gristmill.domains.vision.models.transfer import BASES, LITE
from gristmill.errors import RequestError, WorkError
from gristmill.export import bundle
from gristmill.training import saved_network

SHAPE = Shape(height=32, width=40, channels=3, classes=2)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 40, 3)).astype(np.float32)


def load(name: str = "MobileNetV3Small", weights: object = "none", shape: Shape = SHAPE) -> keras.Model:
    return pretrained.load(name, str(weights), shape)


def tiny(input_shape: tuple[int, int, int], filters: int = 4, **given: Any) -> keras.Model:
    """Build a network that takes milliseconds, in place of one of keras.applications."""
    image = keras.Input(input_shape)
    maps = keras.layers.BatchNormalization()(keras.layers.Conv2D(filters, 3)(image))
    return keras.Model(image, keras.layers.Conv2D(8, 3)(maps))


def equal(one: keras.Model, other: keras.Model) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(mine, its) for mine, its in pairs)


def write_legacy(network: keras.Model, file: Path) -> None:
    """Write weights as Keras 2 did: layer by layer, here under names of another session."""
    layers = {f"layer_{number}": layer for number, layer in enumerate(network.layers)}
    with h5py.File(file, "w") as written:
        written.attrs["layer_names"] = [name.encode() for name in layers]
        for name, layer in layers.items():
            arrays = {f"{name}/{number}": array for number, array in enumerate(layer.get_weights())}
            group = written.create_group(name)
            group.attrs["weight_names"] = [key.encode() for key in arrays]
            for key, array in arrays.items():
                group[key] = array


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(1)
    return load()


@pytest.fixture
def tiny_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have keras.applications build two tiny networks, whose weights have other shapes."""
    monkeypatch.setattr(keras.applications, "MobileNetV3Small", tiny)
    monkeypatch.setattr(keras.applications, "MobileNet", partial(tiny, filters=5))


@pytest.fixture
def files(tiny_networks: None, tmp_path: Path) -> Path:
    """A folder with the tiny network's weights in both forms, and files that are not its weights."""
    folder, network = tmp_path, load()
    network.save_weights(folder / "new.weights.h5")
    write_legacy(network, folder / "legacy.h5")
    network.save(folder / "model.keras")
    shutil.copy(folder / "model.keras", folder / "renamed.weights.h5")
    with h5py.File(folder / "empty.weights.h5", "w"):
        pass
    shutil.copy(folder / "new.weights.h5", folder / "part.weights.h5")
    with h5py.File(folder / "part.weights.h5", "a") as written:
        del written["layers/conv2d/vars/0"]
    return folder


@pytest.mark.parametrize("name", sorted(set(BASES) - {LITE}))
def test_pixels_are_scaled_as_keras_does_for_the_network(name: str) -> None:
    module = importlib.import_module(getattr(keras.applications, name).__module__)

    made = np.asarray(pretrained.scale_pixels(keras.ops.convert_to_tensor(IMAGES), BASES[name]))

    assert made == pytest.approx(module.preprocess_input(IMAGES.copy()), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("pixels", ["tf", "torch", "caffe", "own"])
def test_scaling_of_pixels_is_kept_and_exported_with_the_network(pixels: str, tmp_path: Path) -> None:
    maps = keras.Sequential([keras.Input((32, 40, 3)), keras.layers.Conv2D(4, 3)])
    base = pretrained.featuriser(maps, SHAPE, pixels, "average")
    made = np.asarray(base(IMAGES))

    saved_network.write(base, tmp_path)
    bundle.export_network(base, ["saved_model"], tmp_path)

    assert np.asarray(saved_network.read(tmp_path)(IMAGES)).tobytes() == made.tobytes()
    assert bundle.load(tmp_path, "saved_model")(IMAGES) == pytest.approx(made, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("side", [8, 31])
def test_small_images_are_enlarged_for_efficientnet_lite(side: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 3)).astype(np.float32)
    network = pretrained.load("EfficientNetLite0", "imagenet", shape := Shape(side, side, 3, 2))

    found = np.asarray(pretrained.featuriser(network, shape, "own", "average")(images))

    enlarged = network(keras.layers.Resizing(32, 32)(images))
    assert found == pytest.approx(np.asarray(enlarged)[:, 0, 0], abs=1e-5)


@pytest.mark.slow
def test_weights_of_a_real_network_come_back_at_any_size(network: keras.Model, tmp_path: Path) -> None:
    network.save_weights(tmp_path / "new.weights.h5")
    write_legacy(network, tmp_path / "legacy.h5")

    assert not equal(load(), network)
    assert equal(load(weights=tmp_path / "legacy.h5"), network)
    larger = load(weights=tmp_path / "new.weights.h5", shape=Shape(64, 64, 3, 2))
    assert larger.input_shape == (None, 64, 64, 3)
    assert equal(larger, network)
    with pytest.raises(RequestError, match=r"new\.weights\.h5: not the weights of MobileNetV3Large without its top"):
        load("MobileNetV3Large", tmp_path / "new.weights.h5")


@pytest.mark.parametrize("name", ["new.weights.h5", "legacy.h5"])
def test_weights_come_back_from_a_file(name: str, files: Path) -> None:
    one, other = (load(weights=files / name) for _ in range(2))

    assert equal(one, other)
    assert not equal(one, load())


@pytest.mark.parametrize("name", ["new.weights.h5", "legacy.h5"])
def test_weights_of_another_network_are_refused(name: str, files: Path) -> None:
    message = rf"{name}: not the weights of MobileNet without its top .*Correct model\.base"
    with pytest.raises(RequestError, match=message):
        load("MobileNet", files / name)


@pytest.mark.parametrize("name", ["empty.weights.h5", "part.weights.h5", "renamed.weights.h5", "missing.h5"])
def test_a_file_without_all_weights_is_refused(name: str, files: Path) -> None:
    with pytest.raises(RequestError, match=rf"{name}: not the weights of MobileNetV3Small") as refused:
        load(weights=files / name)

    assert "\n" not in str(refused.value)


@pytest.mark.fault(28)
@pytest.mark.parametrize("name", ["model.keras", "model.pkl"])
def test_other_files_are_refused_unread(name: str, files: Path) -> None:
    with pytest.raises(RequestError, match=rf"{name}: weights are read from \.weights\.h5 or \.h5\."):
        load(weights=files / name)


@pytest.mark.slow
def test_weights_of_keras_2_for_inception_come_back(tmp_path: Path) -> None:
    shape = Shape(75, 75, 3, 2)
    keras.utils.set_random_seed(1)
    inception = load("InceptionV3", shape=shape)
    write_legacy(inception, tmp_path / "notop.h5")

    assert equal(load("InceptionV3", tmp_path / "notop.h5", shape), inception)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer"),
    [("EfficientNetB0", "stem_activation"), ("EfficientNetV2B0", "stem_activation"), ("MobileNet", "conv1_relu")],
)
def test_a_file_gives_what_keras_gives_that_fetched_it(
    name: str, layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetching is replaced. Below this layer Keras builds EfficientNetB0 otherwise where it fetches."""
    file = tmp_path / "notop.h5"
    module = importlib.import_module(getattr(keras.applications, name).__module__)
    if blocks := getattr(module, "DEFAULT_BLOCKS_ARGS", None):  # only the first of them, to be built sooner
        first = blocks[:1] if isinstance(blocks, list) else {key: found[:1] for key, found in blocks.items()}
        monkeypatch.setattr(module, "DEFAULT_BLOCKS_ARGS", first)
    write_legacy(load(name), file)
    monkeypatch.setattr(module.file_utils, "get_file", lambda *given, **more: str(file))

    fetched, given = (pretrained.cut(load(name, weights), layer)(IMAGES) for weights in ("imagenet", file))

    assert np.ptp(fetched) > 0.5
    assert np.asarray(given) == pytest.approx(np.asarray(fetched), rel=1e-4, abs=1e-4)


@pytest.mark.slow
def test_weights_that_cannot_be_fetched_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*given: Any) -> None:
        raise urllib.error.URLError("no route to host")

    from keras.src.utils import file_utils

    monkeypatch.setattr(file_utils, "urlretrieve", unreachable)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))

    with pytest.raises(WorkError, match=r"for ImageNet cannot be fetched \(URL fetch failure.*no route to host\)"):
        load(weights="imagenet")


def test_what_is_wrong_within_keras_is_not_taken_for_a_failed_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**given: Any) -> None:
        raise TypeError("unexpected")

    monkeypatch.setattr(keras.applications, "MobileNet", broken)

    with pytest.raises(TypeError, match="unexpected"):
        load("MobileNet")


def test_grey_images_are_refused() -> None:
    with pytest.raises(RequestError, match=r"takes colour images\. Received: preprocess\.channels = 1\. Set it to 3\."):
        load(shape=Shape(32, 32, 1, 2))


@pytest.mark.parametrize(("name", "least"), [("MobileNet", 32), ("InceptionV3", 75), ("Xception", 71)])
def test_images_below_the_least_size_are_refused(name: str, least: int) -> None:
    with pytest.raises(RequestError, match=f"{name} cannot be built for images of 80 x {least - 1} .*{least}x{least}"):
        load(name, shape=Shape(80, least - 1, 3, 2))


@pytest.mark.slow
def test_a_cut_network_ends_with_the_layer(network: keras.Model) -> None:
    found = pretrained.cut(network, "expanded_conv_3_project_bn")

    assert found.layers[-1].name == "expanded_conv_3_project_bn"
    assert found.output_shape == (None, 2, 3, 40)
    assert found.layers == network.layers[: len(found.layers)]


def test_an_unknown_layer_is_refused_with_near_ones(network: keras.Model) -> None:
    near = r"has no layer 'expanded_conv_3_proj'\. Nearest: expanded_conv_3_project, "

    with pytest.raises(RequestError, match=rf"model\.cut: .*{near}"):
        pretrained.cut(network, "expanded_conv_3_proj")
    with pytest.raises(RequestError, match=rf"model\.train_from: .*{near}"):
        pretrained.freeze(network, "expanded_conv_3_proj")


def test_a_layer_above_the_cut_cannot_be_tuned(network: keras.Model) -> None:
    with pytest.raises(RequestError, match=r"model\.train_from: .* no layer 'expanded_conv_10_project'"):
        pretrained.freeze(pretrained.cut(network, "expanded_conv_3_project"), "expanded_conv_10_project")


def test_a_layer_that_gives_no_maps_is_no_place_to_cut() -> None:
    network = keras.Sequential([keras.Input((4, 5, 3)), keras.layers.GlobalAveragePooling2D(name="squeeze")])
    with pytest.raises(RequestError, match=r"'squeeze' of \w+ gives \(3,\) for each image\. Expected"):
        pretrained.cut(network, "squeeze")


@pytest.mark.shared_data
def test_real_weights_of_mobilenet_come_back_at_another_size() -> None:
    file = SHARED / "weights/mobilenet_1_0_224_notop.weights.h5"
    found = load("MobileNet", file, Shape(64, 64, 3, 2))

    with h5py.File(file) as written:
        kernel = written["layers/conv2d/vars/0"][:]
    assert np.array_equal(found.get_layer("conv1").kernel, kernel)
    assert found.count_params() == 3_228_864
