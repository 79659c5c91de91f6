"""Fixed features of pixels, as networks of Keras's own layers: mean colours, gradients by direction, colours.

Sources: Dalal & Triggs, "Histograms of oriented gradients for human detection", CVPR 2005, for gradients; Felzenszwalb,
Girshick, McAllester & Ramanan, "Object detection with discriminatively trained part-based models", PAMI 32(9), 2010,
for their normalisation by four neighbourhoods; Lazebnik, Schmid & Ponce, "Beyond bags of features: spatial pyramid
matching", CVPR 2006, for cells of several sizes; Swain & Ballard, "Color indexing", IJCV 7(1), 1991, for colours.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from gristmill.domains.vision.image_classifier import image_input

Form = tuple[int, int, int]  # height, width and channels of an image

CELLS = (7, 4, 2)  # maximum numbers of gradient cells per side
DIRECTIONS = 18  # directions of gradients in the full circle
COLOURS, GREYS = 4, 8  # levels of each colour channel, and of grey
COLOUR_CELLS = 3  # colour cells per side

_MIN_LARGE_SIDE, _MIN_HUGE_SIDE = 160, 320  # pixels; from there on images are halved, or quartered
_MAX_COLOUR_SIDE = 64  # pixels, about: colours do not need more
_MAX_SHARE = 0.2  # maximum share of one direction in the gradients of a neighbourhood
_NOISE = 6.5  # squared levels of 255 that count as no gradient
_TEXTURE = 0.2357  # weight of the total of the directions
_NO_SHARE = 1e-3  # added to the share of a colour: the root has no slope at zero


def mean_pixels(form: Form, side: int) -> keras.Model:
    """Return the network from pixels to the mean colours of side x side areas, (batch, features)."""
    image, pixels = image_input(form)
    values = layers.Rescaling(1 / 255)(pixels)
    rows = layers.EinsumDense("bhwc,hr->brwc", (side, form[1], form[2]), name="rows", trainable=False)
    columns = layers.EinsumDense("brwc,wk->brkc", (side, side, form[2]), name="columns", trainable=False)
    network = keras.Model(image, layers.Flatten()(columns(rows(values))), name="mean_pixels")
    rows.set_weights([area_shares(form[0], side)])
    columns.set_weights([area_shares(form[1], side)])
    return network


def area_shares(pixels: int, areas: int) -> npt.NDArray[np.float32]:
    """Return the weight of each pixel along a side in the mean of each of its equal sections: (pixels, areas)."""
    edges = np.arange(areas + 1) * pixels / areas
    begin, end = np.arange(pixels)[:, np.newaxis], np.arange(1, pixels + 1)[:, np.newaxis]
    overlap = np.minimum(end, edges[1:]) - np.maximum(begin, edges[:-1])
    return np.asarray(np.maximum(overlap, 0) * areas / pixels, np.float32)


def histograms(form: Form, of: str = "both") -> keras.Model:
    """Return the network from pixels to histograms of `gradients`, `colours`, or `both`: (batch, features)."""
    image, pixels = image_input(form)
    smallest = min(form[:2])
    reduction = 1 if smallest < _MIN_LARGE_SIDE else 2 if smallest < _MIN_HUGE_SIDE else 4
    if reduction > 1:
        pixels = layers.AveragePooling2D(reduction)(pixels)
    gradients = [] if of == "colours" else gradient_histograms(pixels)
    colours = [] if of == "gradients" else colour_histograms(pixels)
    flat = [layers.Flatten()(histogram) for histogram in (*gradients, *colours)]
    return keras.Model(image, ops.concatenate(flat, axis=-1), name="histograms")


def gradient_histograms(pixels: Any) -> list[Any]:
    """Return the normalised gradients by direction of small, middle and large cells (`_normalised`).

    The gradient at a pixel is that of the channel where it is largest. It votes for its direction and the two next to
    it.
    """
    filters = layers.Conv2D(DIRECTIONS, 1, activation="relu", use_bias=False, trainable=False, name="directions")
    votes = filters(_largest_gradient(pixels))
    # A gradient along a direction counts for it in full, and not for the next ones.
    step = 2 * np.pi / DIRECTIONS
    angles = step * np.arange(DIRECTIONS)
    kernel = np.stack([np.cos(angles), np.sin(angles), np.full(DIRECTIONS, -np.cos(step))]) / (1 - np.cos(step))
    filters.set_weights([kernel[np.newaxis, np.newaxis].astype(np.float32)])  # (1, 1, 3, directions)
    sides = [-(-max(pixels.shape[1:3]) // cells) for cells in CELLS]
    return [_normalised(layers.AveragePooling2D(side, padding="same")(votes)) for side in sides]


def _normalised(cells: Any) -> Any:
    """Return the normalised gradients of cells, (batch, rows, columns, 1.5 * directions + 4).

    A cell has its directions on the full circle, those on half of it, where a line counts the same whichever side is
    brighter, and four totals; the first two are means over the four squares of 2 x 2 cells around the cell.
    """
    half = DIRECTIONS // 2
    lines = cells[..., :half] + cells[..., half:]
    energy = _edge_padded(ops.sum(ops.square(lines), axis=-1, keepdims=True))
    squares = 4 * layers.AveragePooling2D(2, strides=1)(energy)
    rows, columns = cells.shape[1:3]
    directions = ops.concatenate([cells, lines], axis=-1)
    shares = [
        ops.minimum(directions / ops.sqrt(squares[:, up : up + rows, left : left + columns] + _NOISE), _MAX_SHARE)
        for up in (0, 1)
        for left in (0, 1)
    ]
    totals = [_TEXTURE * ops.sum(share[..., DIRECTIONS:], axis=-1, keepdims=True) for share in shares]
    return ops.concatenate([sum(shares) / 2, *totals], axis=-1)


def colour_histograms(pixels: Any) -> list[Any]:
    """Return the roots of the shares of each colour in 3 x 3 areas, (batch, 3, 3, colours), and in the image.

    A pixel between two levels of a channel counts for both, in proportion.
    """
    channels, reduction = pixels.shape[-1], min(pixels.shape[1:3]) // _MAX_COLOUR_SIDE
    if reduction > 1:
        pixels = layers.AveragePooling2D(reduction)(pixels)
    levels = COLOURS if channels == 3 else GREYS
    at = pixels[..., np.newaxis] * ((levels - 1) / 255)  # (batch, rows, columns, channels, 1)
    near = ops.relu(1 - ops.abs(at - np.arange(levels, dtype=np.float32)))
    joint = near[..., 0, :]
    for channel in range(1, channels):
        joint = joint[..., :, np.newaxis] * near[..., channel, np.newaxis, :]
        joint = ops.reshape(joint, (-1, *pixels.shape[1:3], levels ** (channel + 1)))
    area = tuple(-(-side // COLOUR_CELLS) for side in pixels.shape[1:3])
    areas = layers.AveragePooling2D(area, padding="same")(joint)
    whole = ops.mean(joint, axis=(1, 2))
    return [ops.sqrt(shares + _NO_SHARE) for shares in (areas, whole)]


def _largest_gradient(pixels: Any) -> Any:
    """Return the gradient (right, down) of the channel where it is largest, and its length: (batch, rows, columns, 3).

    The comparison is exact: levels, and means of 4 or 16 of them, have no rounding errors.
    """
    height, width = pixels.shape[1:3]
    padded = _edge_padded(pixels)
    right = padded[:, 1:-1, 2:] - padded[:, 1:-1, :width]
    down = padded[:, 2:, 1:-1] - padded[:, :height, 1:-1]
    squared = ops.square(right) + ops.square(down)
    largest = ops.cast(squared >= ops.max(squared, axis=-1, keepdims=True), "float32")
    count = ops.sum(largest, axis=-1, keepdims=True)
    right, down = (ops.sum(largest * slope, axis=-1, keepdims=True) / count / 2 for slope in (right, down))
    length = ops.sqrt(ops.square(right) + ops.square(down))
    return ops.concatenate([right, down, length], axis=-1)


def _edge_padded(maps: Any) -> Any:
    """Return maps with their first and last rows and columns repeated."""
    tall = ops.concatenate([maps[:, :1], maps, maps[:, -1:]], axis=1)
    return ops.concatenate([tall[:, :, :1], tall, tall[:, :, -1:]], axis=2)
