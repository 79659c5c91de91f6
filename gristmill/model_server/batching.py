"""Merge the inputs of concurrent calls of a model into one call.

No call waits for others: while the model computes, calls gather, and the first of them to get its turn computes all.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

import numpy as np

from gristmill.export.formats import Outputs
from gristmill.training.named_arrays import Array

MAX_ROWS = 1024  # of a merged call


@dataclass(eq=False)
class _Call:
    """Inputs that wait for their turn, and what came of them."""

    inputs: Array
    outputs: dict[str, Array] | None = None
    alone: bool = False  # whether it must not be merged, since a merged call has failed

    def is_like(self, other: "_Call") -> bool:
        same = self.inputs.dtype == other.inputs.dtype and self.inputs.shape[1:] == other.inputs.shape[1:]
        return same and not self.alone and not other.alone


class Batcher:
    """A function from raw inputs, (rows, …), to outputs, which several threads may call at the same time.

    Outputs must have the same rows. `observe` gets the number of rows of each call of the model.
    """

    def __init__(self, call: Outputs, observe: Callable[[int], None] = lambda rows: None) -> None:
        self._call, self._observe = call, observe
        self._waiting: list[_Call] = []
        self._lock, self._turn = Lock(), Lock()

    def __call__(self, inputs: Array) -> dict[str, Array]:
        """Return the outputs for some inputs; an error concerns these inputs alone."""
        own = _Call(inputs)
        with self._lock:
            self._waiting.append(own)
        try:
            while own.outputs is None:
                with self._turn:
                    if own.outputs is None:
                        self._run(own)
        finally:
            with self._lock, suppress(ValueError):
                self._waiting.remove(own)
        return own.outputs

    def _run(self, own: _Call) -> None:
        """Compute the outputs of a waiting call, together with others that can be merged with it.

        If that fails for several together, each is computed alone in its own turn.
        """
        # Gather the calls.
        calls, rows = [own], len(own.inputs)
        with self._lock:
            for other in self._waiting:
                if other is not own and other.is_like(own) and rows + len(other.inputs) <= MAX_ROWS:
                    calls.append(other)
                    rows += len(other.inputs)
            self._waiting = [call for call in self._waiting if call not in calls]
        if len(calls) == 1:
            own.outputs = self._computed(own.inputs)
            return
        # Compute them in one call of the model, and give each its rows.
        sizes = [len(call.inputs) for call in calls]
        with suppress(Exception):  # the error may concern one of them only, which will raise it again
            outputs = self._computed(np.concatenate([call.inputs for call in calls]))
            ends = np.cumsum(sizes)
            if all(len(values) == ends[-1] for values in outputs.values()):
                for call, end, size in zip(calls, ends, sizes, strict=True):
                    call.outputs = {name: values[end - size : end] for name, values in outputs.items()}
                return
        for call in calls:
            call.alone = True

    def _computed(self, inputs: Array) -> dict[str, Array]:
        self._observe(len(inputs))
        return self._call(inputs)
