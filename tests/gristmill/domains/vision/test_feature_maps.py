"""What a network is made of and what it sees, also where it lies within another network."""

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from gristmill.domains.vision import dataset, feature_maps
from gristmill.domains.vision.feature_maps import FeatureMaps, compute_feature_maps, thumbnails
from gristmill.domains.vision.train import published
from gristmill.training import saved_network
from gristmill.training.layer_table import layer_table
from helpers.small_judged import Folders

pytest_plugins = ["helpers.small_judged"]

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 1), np.uint8)


def stretched(maps: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return maps (images, height, width, maps), each over the full range."""
    made = np.empty(maps.shape, np.uint8)
    for at in range(maps.shape[-1]):
        low, high = maps[..., at].min(), maps[..., at].max()
        made[..., at] = np.round(255 * (maps[..., at] - low) / (high - low))
    return made


def branched() -> keras.Model:
    """Return a network of two branches that are added up, within another one."""
    image = keras.Input((6, 5, 1))
    one = keras.layers.Conv2D(4, 3, padding="same", name="one")(image)
    other = keras.layers.Conv2D(4, 1, name="other")(image)
    inner = keras.Model(image, keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([one, other])))
    outer = keras.Input((6, 5, 1))
    return keras.Model(outer, keras.layers.Softmax()(inner(keras.layers.Rescaling(1 / 255)(outer))))


def test_maps_are_what_the_convolutions_within_the_network_give(judged: Folders) -> None:
    data, network = dataset.read(judged["preprocess"]), saved_network.read(judged["train"])
    images = data.pixels("test")[:2]
    inner = network.get_layer("inner")
    first = inner.get_layer("first")(images / 127.5 - 1.0)
    second = inner.get_layer("second")(first)

    found = compute_feature_maps(network, images)

    assert found is not None
    assert list(found.maps) == ["first", "second"]
    assert np.abs(found.maps["first"].astype(int) - stretched(np.asarray(first))).max() <= 1
    assert np.abs(found.maps["second"].astype(int) - stretched(np.asarray(second))).max() <= 1
    assert np.array_equal(found.filters, np.asarray(inner.get_layer("first").kernel))
    assert np.array_equal(found.images, images)


def test_branches_of_a_network_within_a_network_are_followed() -> None:
    network = branched()

    found = compute_feature_maps(network, IMAGES)

    assert found is not None
    inner = network.layers[-2]
    for name in ("one", "other"):
        maps = np.asarray(inner.get_layer(name)(IMAGES / 255.0))
        assert np.abs(found.maps[name].astype(int) - stretched(maps)).max() <= 1


def test_the_maps_are_those_of_the_image_if_its_mirror_image_is_classified_too() -> None:
    inner = branched().layers[-2]

    found = compute_feature_maps(published(inner, average_flips=True), IMAGES)

    assert found is not None
    assert list(found.maps) == ["one", "other"]
    maps = np.asarray(inner.get_layer("one")(IMAGES.astype(np.float32)))
    assert np.abs(found.maps["one"].astype(int) - stretched(maps)).max() <= 1


def test_looking_changes_nothing_of_the_network() -> None:
    network = branched()
    before, said = network.to_json(), np.asarray(network(IMAGES))

    compute_feature_maps(network, IMAGES)

    assert network.to_json() == before
    assert np.array_equal(np.asarray(network(IMAGES)), said)


def test_without_a_convolution_there_is_nothing_to_see(binary: Folders) -> None:
    assert (
        compute_feature_maps(saved_network.read(binary["train"]), dataset.read(binary["preprocess"]).pixels("test")[:2])
        is None
    )
    assert feature_maps.read(binary["evaluate"]) is None


def test_of_many_layers_and_maps_few_are_kept_first_and_last_among_them() -> None:
    image = features = keras.Input((6, 5, 1))
    for number in range(7):
        features = keras.layers.Conv2D(40, 1, name=f"layer{number}")(features)

    found = compute_feature_maps(keras.Model(image, keras.layers.GlobalAveragePooling2D()(features)), IMAGES)

    assert found is not None
    assert list(found.maps) == ["layer0", "layer2", "layer4", "layer6"]
    assert {maps.shape for maps in found.maps.values()} == {(2, 6, 5, 8)}
    assert found.filters.shape == (1, 1, 1, 32)


def test_a_convolution_that_leaves_one_pixel_shows_nothing() -> None:
    image = keras.Input((6, 5, 1))
    features = keras.layers.Conv2D(2, 3, name="shown")(image)
    squeezed = keras.layers.Conv2D(2, 1, name="squeezed")(keras.layers.GlobalAveragePooling2D(keepdims=True)(features))

    found = compute_feature_maps(keras.Model(image, keras.layers.Multiply()([features, squeezed])), IMAGES)

    assert found is not None
    assert list(found.maps) == ["shown"]


def test_the_maps_that_differ_most_are_kept_in_their_order_and_dead_ones_are_black() -> None:
    image = keras.Input((6, 5, 1))
    layer = keras.layers.Conv2D(10, 1, use_bias=False, name="layer")
    network = keras.Model(image, layer(image))
    scales = np.array([0, 9, 1, 8, 2, 7, 3, 6, 4, 5], np.float32)
    signs = np.array([1, 1, 1, 1, -1, 1, 1, 1, 1, 1], np.float32)
    layer.kernel.assign((scales * signs).reshape(1, 1, 1, 10))

    found = compute_feature_maps(network, IMAGES)

    assert found is not None
    maps = found.maps["layer"].astype(int)  # all but those scaled by 0 and by 1, so the one that is turned is third
    turned = [bool(np.abs(maps[..., at] + maps[..., 0] - 255).max() <= 1) for at in range(8)]
    assert turned == [False, False, True, False, False, False, False, False]
    layer.kernel.assign(np.zeros((1, 1, 1, 10)))
    dead = compute_feature_maps(network, IMAGES)
    assert dead is not None
    assert not dead.maps["layer"].any()


def test_layers_are_those_of_the_summary_with_their_parameters(judged: Folders) -> None:
    network = saved_network.read(judged["train"])

    rows = layer_table(network).set_index("layer")

    inner = rows.loc[["first", "second"]]
    assert inner["depth"].tolist() == [1, 1]
    assert inner["type"].tolist() == ["Conv2D", "Conv2D"]
    assert inner["output"].tolist() == ["(10, 8, 3)", "(8, 6, 5)"]
    assert inner["parameters"].tolist() == [3 * (9 + 1), 5 * (27 + 1)]
    assert rows.loc[rows["depth"] == 0, "parameters"].sum() == network.count_params()


def test_frozen_parameters_are_not_trained() -> None:
    network = branched()
    network.layers[-2].get_layer("one").trainable = False

    rows = layer_table(network).set_index("layer")

    assert rows.loc["one", ["parameters", "trainable"]].tolist() == [40, 0]
    assert rows.loc["other", ["parameters", "trainable"]].tolist() == [8, 8]


def test_thumbnails_are_small_and_keep_their_form() -> None:
    large = np.full((2, 300, 150, 3), 77, np.uint8)

    small = thumbnails(large)

    assert small.shape == (2, 128, 64, 3)
    assert (small == 77).all()
    assert thumbnails(IMAGES) is IMAGES
    assert thumbnails(large[:0]).shape == (0, 300, 150, 3)


def test_what_was_written_is_read_and_equal_maps_are_equal_files(tmp_path: Path) -> None:
    maps = FeatureMaps(IMAGES, np.ones((3, 3, 1, 4), np.float32), {"b": IMAGES, "a": IMAGES[:1]})
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        maps.write(tmp_path / name)

    again = feature_maps.read(tmp_path / "one")

    assert again is not None
    assert list(again.maps) == ["b", "a"]
    assert np.array_equal(again.maps["a"], IMAGES[:1])
    assert np.array_equal(again.filters, maps.filters)
    files = [tmp_path / name / "feature_maps.npz" for name in ("one", "other")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_artifacts_of_earlier_releases_are_read(tmp_path: Path) -> None:
    FeatureMaps(IMAGES, np.ones((3, 3, 1, 4), np.float32), {"a": IMAGES}).write(tmp_path)
    (tmp_path / "feature_maps.npz").rename(tmp_path / "looks.npz")

    again = feature_maps.read(tmp_path)

    assert again is not None
    assert np.array_equal(again.maps["a"], IMAGES)


def test_without_a_convolution_there_are_no_maps_to_read(tmp_path: Path) -> None:
    assert feature_maps.read(tmp_path) is None
