"""Weights at hand are found by the names of their files."""

from pathlib import Path

import pytest

from gristmill.domains.vision.presets import weights_at_hand


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Return a folder of data and the folder in which Keras keeps weights, both empty."""
    data, kept = tmp_path / "data", tmp_path / "keras" / "models"
    data.mkdir()
    kept.mkdir(parents=True)
    monkeypatch.setenv("GRISTMILL_DATA", f"{tmp_path / 'nowhere'}:{data}")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return data, kept


@pytest.mark.parametrize(
    ("file", "base"),
    [
        ("mobilenet_1_0_224_tf_no_top.h5", "MobileNet"),
        ("mobilenet_1_0_224_notop.weights.h5", "MobileNet"),
        ("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", "MobileNetV2"),
        ("efficientnetv2-b0_notop.h5", "EfficientNetV2B0"),
        ("efficientnetb0_notop.h5", "EfficientNetB0"),
        ("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", "ResNet50"),
        ("resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5", "ResNet50V2"),
        ("NASNet-mobile-no-top.h5", "NASNetMobile"),
        ("convnext_tiny_notop.h5", "ConvNeXtTiny"),
    ],
)
def test_the_files_of_keras_name_their_network(file: str, base: str, folders: tuple[Path, Path]) -> None:
    data, kept = folders
    (kept / file).touch()
    assert weights_at_hand() == {base: "imagenet"}

    (data / file).touch()
    assert weights_at_hand() == {base: file}


@pytest.mark.parametrize(
    "file",
    [
        "mobilenet_5_0_224_tf_no_top.h5",  # half as wide
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.4_224_no_top.h5",
        "mobilenet_1_0_224_tf.h5",  # with its top
        "mobilenet_1_0_224_tf_no_top.txt",
        "my_no_top.h5",
    ],
)
def test_other_files_are_no_weights(file: str, folders: tuple[Path, Path]) -> None:
    (folders[0] / file).touch()

    assert weights_at_hand() == {}
