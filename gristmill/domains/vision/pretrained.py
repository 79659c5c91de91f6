"""Pretrained networks as bases: built for a size, loaded with weights, cut and frozen.

Weights are read as arrays only; pickles and whole models are not read, since they can carry code.
"""

import difflib
import warnings
from pathlib import Path
from typing import Any, Literal

import keras
from keras import ops

from gristmill.domains.vision import efficientnet_lite
from gristmill.domains.vision.image_classifier import image_input
from gristmill.domains.vision.models import Shape
from gristmill.errors import RequestError, WorkError
from gristmill.settings.messages import first_sentence, keras_reason

MEAN = (0.485, 0.456, 0.406)  # of red, green and blue in ImageNet, from 0 to 1, as in keras.applications
DEVIATION = (0.229, 0.224, 0.225)
MIN_SIDE = 32  # pixels, which EfficientNet-Lite0 reduces to one
_LINEAR_BELOW = 0.01  # features around which a root becomes a straight line: there it has no slope
CAFFE_MEAN = (123.68, 116.779, 103.939)  # the mean from 0 to 255 that Caffe's networks were trained with


def load(name: str, weights: str, shape: Shape) -> keras.Model:
    """Return a pretrained network without its top, for images of a shape.

    Its weights are `imagenet`, which Keras fetches for the networks of keras.applications, `none`, or the path of a
    file.

    Raises:
        RequestError: the network does not accept the images, or the weights do not fit it.
        WorkError: the weights cannot be fetched.
    """
    if shape.channels != 3:
        raise RequestError(
            f"model.base: {name} takes colour images. Received: preprocess.channels = {shape.channels}. Set it to 3."
        )
    try:
        network = _build(name, shape, weights == "imagenet")
    except ValueError as error:
        raise RequestError(
            f"model.base: {name} cannot be built for images of {shape.height} x {shape.width} pixels "
            f"({keras_reason(error)}). Set another preprocess.size."
        ) from None
    except Exception as error:
        if type(error) is not Exception:  # Keras raises this class if a download fails
            raise
        raise WorkError(
            f"model.weights: those of {name} for ImageNet cannot be fetched ({keras_reason(error)}). "
            "Try again, or set model.weights to a file of them."
        ) from None
    if weights not in ("imagenet", "none"):
        _load_file(network, name, Path(weights))
    return network


def _build(name: str, shape: Shape, pretrained: bool) -> keras.Model:
    """Return a network without its top, with weights of ImageNet or random ones."""
    if name != efficientnet_lite.NAME:
        form, weights = (shape.height, shape.width, 3), "imagenet" if pretrained else None
        return getattr(keras.applications, name)(include_top=False, weights=weights, input_shape=form)
    return efficientnet_lite.build(pretrained=pretrained)


def _load_file(network: keras.Model, name: str, file: Path) -> None:
    """Load the weights of a file: by structure from `.weights.h5`, by order of the layers from `.h5`."""
    if file.suffix != ".h5":
        raise RequestError(f"{file}: weights are read from .weights.h5 or .h5. Set model.weights to such a file.")
    try:
        with warnings.catch_warnings(action="ignore"):  # about containers that files of other Keras versions lack
            network.load_weights(file)
    except (KeyError, OSError, ValueError) as error:
        cause = str(error).partition("\n\n")[2] or str(error)  # Keras counts the objects first, if there are several
        raise RequestError(
            f"{file}: not the weights of {name} without its top ({first_sentence(cause)}). "
            "Correct model.base, or set model.weights to a file of this network."
        ) from None
    if name.startswith("EfficientNetB"):  # Keras adds a layer that scales the input only for weights that it fetches
        kernel = network.get_layer("stem_conv").kernel  # (height, width, channels, filters)
        kernel.assign(kernel / ops.sqrt(ops.reshape(DEVIATION, (3, 1))))


def cut(network: keras.Model, layer: str) -> keras.Model:
    """Return a network up to and including a layer, whose output must be maps."""
    output = network.layers[_position(network, layer, "cut")].output
    if len(output.shape) != 4:
        raise RequestError(
            f"model.cut: layer '{layer}' of {network.name} gives {tuple(output.shape[1:])} for each image. "
            "Expected (height, width, channels): choose a layer that gives maps."
        )
    return keras.Model(network.input, output, name=network.name)


def freeze(network: keras.Model, train_from: str | None) -> None:
    """Make a network trainable from the layer `train_from` on, in the order of its layers, or not at all.

    Batch normalisation stays frozen, in inference mode, everywhere: statistics of small batches would harm the
    pretrained weights.
    """
    begin = len(network.layers) if train_from is None else _position(network, train_from, "train_from")
    for position, layer in enumerate(network.layers):
        layer.trainable = position >= begin and not isinstance(layer, keras.layers.BatchNormalization)


def featuriser(network: keras.Model, shape: Shape, pixels: str, pooling: Literal["average", "flatten"]) -> keras.Model:
    """Return the base: pixels, 0 to 255, of images of a shape to the pooled maps of a network, (batch, features)."""
    image = values = keras.Input(shape.image, name="image")
    if is_enlarged(network.name, shape):
        values = _resized(values, shape.scaled_to(MIN_SIDE))
    maps = network(scale_pixels(values, pixels))
    pool = keras.layers.GlobalAveragePooling2D() if pooling == "average" else keras.layers.Flatten()
    return keras.Model(image, pool(maps), name="base")


def frozen_featuriser(
    network: keras.Model, image: tuple[int, int, int], seen: Shape, pixels: str, mirror: bool
) -> keras.Model:
    """Return the network from uint8 pixels of images, in colour or grey, to scaled features.

    Images are resized to the shape that is seen. The means of their maps, or with `mirror` the mean of theirs and of
    the mirror images', go through a root and are scaled to length 1.
    """
    # 1. Resize the image, and colour a grey one.
    given, values = image_input(image)
    if image[:2] != seen.image[:2]:
        values = _resized(values, seen)
    if image[2] == 1:
        values = keras.layers.Concatenate()([values] * 3)

    # 2. Compute its features, and scale them.
    pool = keras.layers.GlobalAveragePooling2D()
    directions = [values, ops.flip(values, axis=2)] if mirror else [values]
    means = [pool(network(scale_pixels(direction, pixels))) for direction in directions]
    features = (means[0] + means[1]) / 2 if mirror else means[0]
    rooted = features / ops.sqrt(ops.abs(features) + _LINEAR_BELOW)
    return keras.Model(given, keras.layers.UnitNormalization()(rooted), name="base")


def is_enlarged(name: str, shape: Shape) -> bool:
    """Return whether a base sees enlarged images because they have less than the pixels of one place of its maps."""
    return name == efficientnet_lite.NAME and min(shape.height, shape.width) < MIN_SIDE


def _resized(image: Any, shape: Shape) -> Any:
    return keras.layers.Resizing(shape.height, shape.width)(image)


def scale_pixels(image: Any, pixels: str) -> Any:
    """Return scaled pixels, by layers that become part of the network.

    `tf` scales to -1 to 1, `torch` standardises, `caffe` centres with blue first, and `own` changes nothing.
    """
    if pixels == "tf":
        return keras.layers.Rescaling(1 / 127.5, -1)(image)
    if pixels == "torch":
        scale = [1 / (255 * deviation) for deviation in DEVIATION]
        offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
        return keras.layers.Rescaling(scale, offset)(image)
    if pixels == "caffe":
        return ops.flip(keras.layers.Rescaling(1, [-mean for mean in CAFFE_MEAN])(image), axis=-1)
    return image


def _position(network: keras.Model, layer: str, key: str) -> int:
    names = [candidate.name for candidate in network.layers]
    if layer not in names:
        near = difflib.get_close_matches(layer, names, n=5, cutoff=0)
        raise RequestError(f"model.{key}: {network.name} has no layer {layer!r}. Nearest: {', '.join(near)}.")
    return names.index(layer)
