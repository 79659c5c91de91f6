"""The EXIF orientation of a JPEG, read and undone within a TensorFlow graph, whose decoders pass it over.

The tag stands in the first directory of the TIFF data that the segment APP1 carries, right behind the beginning of the
file (CIPA DC-008, Exif 2.32, sections 4.5.4, 4.6.2 and 4.6.5).
"""

import tensorflow as tf

_SEARCHED = 1 << 16  # bytes from the beginning, of which the segment is among the first
_MARK = (0xFF, 0xE1, None, None, *b"Exif\0\0")  # of the segment, its length, and what it holds
_ENTRY = 12  # bytes of an entry of the directory: tag, type, count, value
_ORIENTATION = 0x0112


def orientation(jpeg: tf.Tensor) -> tf.Tensor:
    """Return how a JPEG lies, 1 to 8, from the bytes of its file; 1, upright, where it does not say."""
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(jpeg, 0, _SEARCHED), tf.uint8), tf.int64)
    head = tf.pad(head, [[0, len(_MARK)]])  # what is sought beyond the end is found to be zero
    starts = tf.size(head, tf.int64) - len(_MARK)
    marked = tf.reduce_all(
        [head[at : at + starts] == byte for at, byte in enumerate(_MARK) if byte is not None], axis=0
    )
    tiff = tf.argmax(marked) + len(_MARK)
    little = _at(head, tiff) == ord("I")

    def number(place: tf.Tensor, size: int) -> tf.Tensor:
        """Return the unsigned number of so many bytes at each place."""
        found = sum(_at(head, place + at) * 256**at for at in range(size))
        other = sum(_at(head, place + at) * 256 ** (size - 1 - at) for at in range(size))
        return tf.where(little, found, other)

    directory = tiff + number(tiff + 4, 4)
    entries = directory + 2 + _ENTRY * tf.range(number(directory, 2))
    said = tf.boolean_mask(number(entries + 8, 2), number(entries, 2) == _ORIENTATION)
    sound = tf.reduce_any(marked) & (tf.size(said) > 0)
    value = tf.cond(sound, lambda: said[0], lambda: tf.constant(1, tf.int64))
    return tf.where((value >= 1) & (value <= 8), value, 1)


def upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Return an image, (rows, columns, channels), turned or mirrored as its orientation asks."""
    standing = tf.cond(orientation >= 5, lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels)
    upended = _mirrored(standing, 0, tf.reduce_any(orientation == (3, 4, 7, 8)))
    return _mirrored(upended, 1, tf.reduce_any(orientation == (2, 3, 6, 7)))


def _mirrored(pixels: tf.Tensor, axis: int, asked: tf.Tensor) -> tf.Tensor:
    return tf.cond(asked, lambda: tf.reverse(pixels, [axis]), lambda: pixels)


def _at(head: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """Return the byte at each place, zero beyond the end."""
    return tf.gather(head, tf.clip_by_value(place, 0, tf.size(head, tf.int64) - 1))
