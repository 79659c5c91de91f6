"""Networks of the same inputs in one graph, where equal layers are one layer, and are computed once."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import keras


def outputs_of(networks: Sequence[keras.Model], inputs: Any) -> list[Any]:
    """Return the outputs of functional networks, whose inputs are alike, on common inputs.

    Layers are equal if they have the same settings, but for the name, and the same weights; the layers of a nested
    network must have equal names, too. Equal layers become one, and are called once on the same tensors. The networks
    are taken apart: use them no longer.
    """
    layers: dict[str, Any] = {}  # by what they are
    names: set[str] = set()
    results: dict[tuple[Any, ...], Any] = {}  # of calls, by layer and tensors

    def call(layer: Any, *arguments: Any, **named: Any) -> Any:
        # 1. Take the layer that is equal, or this one under a name of its own.
        key = _description(layer)
        if key not in layers:
            layers[key] = layer
            if layer.name in names:
                layer.name = f"{layer.name}_{len(layers)}"
            names.add(layer.name)

        # 2. Call it, unless it was called on the same tensors before.
        flat = [id(each) if isinstance(each, keras.KerasTensor) else repr(each) for each in _flat(arguments, named)]
        at = (key, *flat)
        if at not in results:
            results[at] = layers[key](*arguments, **named)
        return results[at]

    return [_call_each(network, inputs, call) for network in networks]


def _call_each(network: keras.Model, inputs: Any, call: Any) -> Any:
    """Return the output of a network on new inputs, with a function that calls each of its layers."""
    return keras.models.clone_model(network, inputs, lambda layer: layer, call).output


def _description(layer: Any) -> str:
    """Return settings and weights of a layer or an operation, in short."""
    described: Any = keras.saving.serialize_keras_object(layer)
    described["config"].pop("name", None)
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    for values in layer.get_weights() if isinstance(layer, keras.layers.Layer) else ():
        digest.update(values.tobytes())
    return digest.hexdigest()


def _flat(arguments: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
    flat: list[Any] = keras.tree.flatten((arguments, named))
    return flat
