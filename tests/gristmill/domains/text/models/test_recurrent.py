"""The layers of the recurrent classifiers."""

from typing import Any

import pytest

from gristmill.domains.text.models import Shape
from gristmill.settings.kinds import settings_of


def layers_of(kind: str, **settings: Any) -> list[Any]:
    """Return the layers that have weights."""
    model: Any = settings_of(kind, "gristmill.domains.text.models").model_validate(
        {"kind": kind} | settings, strict=False
    )
    return [layer for layer in model.build(Shape(30, 9, 2)).layers if layer.weights]


@pytest.mark.parametrize(("kind", "cell"), [("lstm", "LSTM"), ("gru", "GRU")])
def test_recurrent_layers_lie_between_an_embedding_and_dense_layers(kind: str, cell: str) -> None:
    embedding, first, second, dense, last = layers_of(
        kind, dimensions=6, recurrent=[5, 4], bidirectional=False, units=[3]
    )

    assert (embedding.input_dim, embedding.output_dim, embedding.mask_zero) == (30, 6, True)
    assert [(type(one).__name__, one.units) for one in (first, second)] == [(cell, 5), (cell, 4)]
    assert (first.return_sequences, second.return_sequences) == (True, False)
    assert (dense.units, last.units) == (3, 1)


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_pooled_the_last_layer_gives_its_whole_sequence_too(pooling: str) -> None:
    _, first, second, _ = layers_of("gru", recurrent=[5, 4], pooling=pooling, units=[])

    assert [type(one).__name__ for one in (first, second)] == ["Bidirectional", "Bidirectional"]
    assert first.forward_layer.return_sequences
    assert second.forward_layer.return_sequences
    assert second.output.shape == (None, None, 8)


def test_a_network_without_a_recurrent_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 item"):
        layers_of("lstm", recurrent=[])
