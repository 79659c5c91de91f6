"""What holds of every model, also of one that is added: it builds to its shape, sees nothing to come, and is kept."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.generation.model_shape import Shape
from gristmill.errors import RequestError
from gristmill.export import bundle
from gristmill.settings.kinds import kinds, settings_of
from gristmill.training import saved_network

PACKAGE = "gristmill.domains.generation.models"
KINDS = kinds(PACKAGE)
SMALL: dict[str, Any] = {"dimensions": 4, "recurrent": (5, 3)}
TOKENS = np.array([[3, 1, 4, 1, 5, 6, 2], [2, 6, 5, 3, 5, 1, 4]], np.int32)


def built(kind: str, after_each: bool, **settings: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    model: Any = settings_of(kind, PACKAGE).model_validate({"kind": kind} | SMALL | settings)
    network: keras.Model = model.build(Shape(vocabulary=7, length=9, after_each=after_each))
    return network


def told(network: Any, tokens: Any) -> Any:
    return np.asarray(network(tokens))


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_takes_sequences_of_any_length_and_gives_logits(kind: str) -> None:
    every, last = built(kind, after_each=True), built(kind, after_each=False)

    assert every.input_shape == last.input_shape == (None, None)
    assert (every.output_shape, last.output_shape) == ((None, None, 7), (None, 7))
    assert told(every, TOKENS).shape == (2, 7, 7)
    assert told(last, TOKENS[:, :2]).shape == (2, 7)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_told_after_a_token_depends_on_those_before_alone(kind: str) -> None:
    network, changed = built(kind, after_each=True), TOKENS.copy()
    changed[:, 4] = 2

    before, after = told(network, TOKENS), told(network, changed)

    assert after[:, :4] == pytest.approx(before[:, :4], abs=1e-6)
    assert (np.abs(after[:, 4:] - before[:, 4:]).max(axis=(0, 2)) > 1e-5).all()
    padded = np.pad(TOKENS, ((0, 0), (0, 3)))
    assert told(network, padded)[:, :7] == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("sides", [(3, 0), (0, 3)])
def test_padding_does_not_count_on_either_side_of_a_line(
    kind: str, bidirectional: bool, sides: tuple[int, int]
) -> None:
    network = built(kind, after_each=False, bidirectional=bidirectional)

    assert told(network, np.pad(TOKENS, ((0, 0), sides))) == pytest.approx(told(network, TOKENS), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_reading_windows_from_both_ends_is_refused(kind: str) -> None:
    with pytest.raises(RequestError) as refusal:
        built(kind, after_each=True, bidirectional=True)

    assert str(refusal.value) == (
        'model.bidirectional reads the very tokens that are to be told with preprocess.examples = "windows". '
        'Set it to false, or examples = "prefixes".'
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_reads_back_bit_by_bit_and_exports(kind: str, tmp_path: Path) -> None:
    network = built(kind, after_each=True, dropout=0.5)
    expected = told(network, TOKENS)

    saved_network.write(network, tmp_path)
    bundle.export_network(network, ("saved_model",), tmp_path)

    assert told(saved_network.read(tmp_path), TOKENS).tobytes() == expected.tobytes()
    assert bundle.load(tmp_path, "saved_model")(TOKENS) == pytest.approx(expected, rel=1e-5)
