"""Concurrent calls of a model: merged, split again, and each with its own error."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np

from gristmill.model_server.champions import MAX_BATCH_ROWS, Batcher
from gristmill.training.named_arrays import Array


class Model:
    """A model that doubles rows, rejects negative ones, and can be held."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.entered, self.released = Event(), Event()
        self.released.set()

    def __call__(self, inputs: Array) -> dict[str, Array]:
        self.calls.append(len(inputs))
        self.entered.set()
        assert self.released.wait(30)
        if (inputs < 0).any():
            raise ValueError("negative")
        return {"double": 2 * inputs, "row": inputs.sum(axis=1)}


def concurrent(model: Model, batcher: Batcher, *inputs: Array) -> list[dict[str, Array] | ValueError]:
    """Call the batcher with one input alone and, while it is computed, with all others."""

    def call(one: Array) -> dict[str, Array] | ValueError:
        try:
            return batcher(one)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(len(inputs)) as pool:
        model.released.clear()
        found = [pool.submit(call, inputs[0])]
        assert model.entered.wait(30)
        found += [pool.submit(call, one) for one in inputs[1:]]
        while len(batcher._waiting) < len(inputs) - 1:
            pass
        model.released.set()
        return [one.result(30) for one in found]


def rows(count: int, value: float, columns: int = 3) -> Array:
    return np.full((count, columns), value)


def test_calls_that_wait_are_merged_and_each_gets_its_own_rows() -> None:
    model, seen = Model(), list[int]()
    batcher = Batcher(model, seen.append)

    found = concurrent(model, batcher, rows(1, 1), rows(2, 2), rows(3, 3), rows(1, 4))

    assert model.calls == seen == [1, 6]
    for outputs, (count, value) in zip(found, [(1, 1), (2, 2), (3, 3), (1, 4)], strict=True):
        assert isinstance(outputs, dict)
        np.testing.assert_array_equal(outputs["double"], rows(count, 2 * value))
        np.testing.assert_array_equal(outputs["row"], np.full(count, 3 * value))


def test_an_error_concerns_only_the_call_that_has_it() -> None:
    model = Model()

    found = concurrent(model, Batcher(model), rows(1, 1), rows(2, 2), rows(1, -1), rows(1, 4))

    assert [type(one) for one in found] == [dict, dict, ValueError, dict]
    assert sorted(model.calls) == [1, 1, 1, 2, 4]  # the merged call failed, and each was made again


def test_inputs_of_other_shapes_or_too_many_rows_are_not_merged() -> None:
    model = Model()

    found = concurrent(model, Batcher(model), rows(1, 1), rows(2, 2), rows(2, 2, columns=4), rows(MAX_BATCH_ROWS, 1))

    assert [len(one["row"]) for one in found if isinstance(one, dict)] == [1, 2, 2, MAX_BATCH_ROWS]
    assert sorted(model.calls) == [1, 2, 2, MAX_BATCH_ROWS]


def test_outputs_that_are_not_rows_are_computed_for_each_call() -> None:
    model = Model()
    totals = Batcher(lambda inputs: {"total": model(inputs)["row"].sum(keepdims=True)})

    found = concurrent(model, totals, rows(1, 1), rows(2, 2), rows(3, 3))

    assert [one["total"].tolist() for one in found if isinstance(one, dict)] == [[3.0], [12.0], [27.0]]
