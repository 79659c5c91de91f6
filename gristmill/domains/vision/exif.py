"""EXIF orientation of a JPEG, read and applied within a TensorFlow graph; TensorFlow's decoders ignore it.

The tag is in the first directory of the TIFF data in the segment APP1, right after the beginning of the file (CIPA
DC-008, Exif 2.32, sections 4.5.4, 4.6.2 and 4.6.5).
"""

import tensorflow as tf

_HEAD_BYTES = 1 << 16  # bytes to search; the segment is one of the first
_SEGMENT = (0xFF, 0xE1, None, None, *b"Exif\0\0")  # marker, length, and identifier
_ENTRY_BYTES = 12  # size of a directory entry: tag, type, count, value
_ORIENTATION = 0x0112


def read_orientation(jpeg: tf.Tensor) -> tf.Tensor:
    """Return the orientation of a JPEG, 1 to 8, from the bytes of its file; 1, upright, if it has none."""
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(jpeg, 0, _HEAD_BYTES), tf.uint8), tf.int64)
    head = tf.pad(head, [[0, len(_SEGMENT)]])  # bytes beyond the end read as zero
    starts = tf.size(head, tf.int64) - len(_SEGMENT)
    matches = tf.reduce_all(
        [head[at : at + starts] == byte for at, byte in enumerate(_SEGMENT) if byte is not None], axis=0
    )
    tiff = tf.argmax(matches) + len(_SEGMENT)
    little_endian = _byte(head, tiff) == ord("I")

    def number(position: tf.Tensor, size: int) -> tf.Tensor:
        """Return the unsigned number of `size` bytes at each position."""
        little = sum(_byte(head, position + at) * 256**at for at in range(size))
        big = sum(_byte(head, position + at) * 256 ** (size - 1 - at) for at in range(size))
        return tf.where(little_endian, little, big)

    directory = tiff + number(tiff + 4, 4)
    entries = directory + 2 + _ENTRY_BYTES * tf.range(number(directory, 2))
    values = tf.boolean_mask(number(entries + 8, 2), number(entries, 2) == _ORIENTATION)
    found = tf.reduce_any(matches) & (tf.size(values) > 0)
    value = tf.cond(found, lambda: values[0], lambda: tf.constant(1, tf.int64))
    return tf.where((value >= 1) & (value <= 8), value, 1)


def turn_upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Return an image, (rows, columns, channels), turned or mirrored by its orientation."""
    transposed = tf.cond(orientation >= 5, lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels)
    upright = _reverse_if(tf.reduce_any(orientation == (3, 4, 7, 8)), transposed, 0)
    return _reverse_if(tf.reduce_any(orientation == (2, 3, 6, 7)), upright, 1)


def _reverse_if(condition: tf.Tensor, pixels: tf.Tensor, axis: int) -> tf.Tensor:
    return tf.cond(condition, lambda: tf.reverse(pixels, [axis]), lambda: pixels)


def _byte(head: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Return the byte at each position, zero beyond the end."""
    return tf.gather(head, tf.clip_by_value(position, 0, tf.size(head, tf.int64) - 1))
