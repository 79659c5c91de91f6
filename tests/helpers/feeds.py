"""What a feed gives, for the tests of all of them."""

from typing import Any

import tensorflow as tf

from gristmill.training.fit import Feed


def batches_of(feed: Feed, epoch: int = 0) -> list[tuple[Any, ...]]:
    """Return the batches that an epoch updates with, as arrays."""
    return [batch for element in feed.stream(epoch).take(feed.elements) for batch in batches_of_element(feed, element)]


def batches_of_element(feed: Feed, element: Any) -> list[tuple[Any, ...]]:
    """Return the batches of one element of a feed, as arrays."""
    found: list[tuple[Any, ...]] = []
    feed.for_each_batch(element, lambda batch: found.append(tuple(tensor.numpy() for tensor in batch)))
    return found


def batches_within_a_graph(feed: Feed, epoch: int = 0) -> Any:
    """Return the first tensors of an epoch's batches end to end, as they are seen within a graph."""
    example = next(iter(feed.batches()))[0]
    seen = tf.Variable(tf.zeros((0, *example.shape[1:]), example.dtype), shape=[None, *example.shape[1:]])

    @tf.function
    def run(element: Any) -> None:
        feed.for_each_batch(element, lambda batch: seen.assign(tf.concat([seen, batch[0]], axis=0)))

    for element in feed.stream(epoch).take(feed.elements):
        run(element)
    return seen.numpy()
