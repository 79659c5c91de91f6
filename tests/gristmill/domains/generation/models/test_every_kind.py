"""Every next-token model has the required shape, does not read ahead, and can be saved and exported."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.generation import dataset
from gristmill.domains.generation.evaluate import evaluate
from gristmill.domains.generation.export import export
from gristmill.domains.generation.generate import generate
from gristmill.domains.generation.models import Shape
from gristmill.domains.generation.models.ngram import Ngram
from gristmill.domains.generation.predictions import fit_counts, score_tokens
from gristmill.domains.generation.settings import Evaluate, Export, PredictOptions, Preprocess, Train
from gristmill.domains.generation.train import train
from gristmill.errors import RequestError
from gristmill.export import bundle
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.settings.kinds import kinds, settings_of
from gristmill.training import saved_network
from gristmill.util.table_io import read_document
from helpers.eager import eagerly
from helpers.small_writers import LENGTH, write_prepared

pytest_plugins = ["helpers.end_to_end"]

PACKAGE = "gristmill.domains.generation.models"
KINDS = [kind for kind in kinds(PACKAGE) if hasattr(settings_of(kind, PACKAGE), "build")]
COUNTS = [kind for kind in kinds(PACKAGE) if kind not in KINDS]
SMALL: dict[str, Any] = {"dimensions": 4, "recurrent": (5, 3)}
TOKENS = np.array([[3, 1, 4, 1, 5, 6, 2], [2, 6, 5, 3, 5, 1, 4]], np.int32)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preprocess")
    write_prepared(folder, Preprocess(length=LENGTH))
    return folder


def built(kind: str, after_each: bool, **settings: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    model: Any = settings_of(kind, PACKAGE).model_validate({"kind": kind} | SMALL | settings)
    network: keras.Model = model.build(Shape(vocabulary=7, length=9, after_each=after_each))
    return network


def logits(network: Any, tokens: Any) -> Any:
    return np.asarray(network(tokens))


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_after_each_token_depend_only_on_earlier_tokens(kind: str, tmp_path: Path) -> None:
    network, changed = built(kind, after_each=True, dropout=0.5), TOKENS.copy()
    changed[:, 4] = 2

    before, after = logits(network, TOKENS), logits(network, changed)

    assert (network.input_shape, network.output_shape, before.shape) == ((None, None), (None, None, 7), (2, 7, 7))
    assert after[:, :4] == pytest.approx(before[:, :4], abs=1e-6)
    assert (np.abs(after[:, 4:] - before[:, 4:]).max(axis=(0, 2)) > 1e-5).all()
    padded = np.pad(TOKENS, ((0, 0), (0, 3)))
    assert logits(network, padded)[:, :7] == pytest.approx(before, abs=1e-6)
    saved_network.write(network, tmp_path)
    assert logits(saved_network.read(tmp_path), TOKENS).tobytes() == before.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "bidirectional"), [("lstm", False), ("gru", True)])
def test_padding_on_either_side_of_a_line_changes_nothing(kind: str, bidirectional: bool) -> None:
    network = built(kind, after_each=False, bidirectional=bidirectional)

    alone = logits(network, TOKENS)

    assert (network.input_shape, network.output_shape, alone.shape) == ((None, None), (None, 7), (2, 7))
    for sides in ((3, 0), (0, 3)):
        assert logits(network, np.pad(TOKENS, ((0, 0), sides))) == pytest.approx(alone, abs=1e-6)


def test_a_bidirectional_network_of_windows_is_an_error() -> None:
    with pytest.raises(RequestError) as error:
        built("gru", after_each=True, bidirectional=True)

    assert str(error.value) == (
        'with preprocess.examples = "windows", model.bidirectional would read the tokens that the network must '
        'predict. Set it to false, or examples = "prefixes".'
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_network_gives_the_same_logits(kind: str, tmp_path: Path) -> None:
    network = built(kind, after_each=True, dropout=0.5)

    bundle.export_network(network, ("saved_model",), tmp_path)

    assert bundle.load(tmp_path, "saved_model")(TOKENS) == pytest.approx(logits(network, TOKENS), rel=1e-5)


@pytest.mark.slow
def test_counts_are_fitted_and_exported_as_networks_are(prepared: Path, tmp_path: Path, parity_here: None) -> None:
    """The served probabilities of the next token are the ones that evaluate scored."""
    model = Ngram(kind="ngram", order=2)
    folders = {stage: tmp_path / stage for stage in ("train", "evaluate", "export")}
    for folder in folders.values():
        folder.mkdir()
    made = {"preprocess": prepared, "train": folders["train"]}
    unused: Any = {"scratch": tmp_path, "logs": tmp_path, "on_epoch": None}

    with eagerly():
        counts = train(model=model, train=Train(), preprocess=prepared, out=folders["train"], **unused)
        evaluate(evaluate=Evaluate(order=2, temperatures=(1.0,), sample=1), **made, out=folders["evaluate"])
    exported = export(export=Export(), **made, evaluate=folders["evaluate"], out=folders["export"])

    assert counts == {"parameters": saved_network.read(folders["train"]).count_params()}
    assert exported == {"formats": 1, "parity_sequences": 64}
    assert read_document(folders["export"] / "scores.json")["parity"] < 1e-6
    text = "".join(generate(LoadedBundle(folders["export"]), PredictOptions(prompt="the ", length=20, temperature=0.0)))
    assert (text[:4], len(text)) == ("the ", 24)


@pytest.mark.parametrize("kind", COUNTS)
def test_counts_are_baselines_of_the_required_shape(kind: str, prepared: Path, tmp_path: Path) -> None:
    data, model = dataset.read(prepared), settings_of(kind, PACKAGE).model_validate({"kind": kind})

    network = model.fit(data)

    tokens = np.stack([data.token_stream().values[begin : begin + LENGTH] for begin in (0, 9)])
    chances = np.exp(logits(network, tokens))
    assert chances.shape == (2, LENGTH, data.layout.vocabulary)
    assert chances.sum(axis=-1) == pytest.approx(np.ones((2, LENGTH)), abs=1e-4)
    saved_network.write(network, tmp_path)
    assert np.exp(logits(saved_network.read(tmp_path), tokens)).tobytes() == chances.tobytes()
    assert model.baseline


def test_counts_predict_validation_before_they_learn_from_it(prepared: Path, eager: None) -> None:
    """What occurs in the validation set alone is as surprising in `validation.parquet` as in any unknown text."""
    data = dataset.read(prepared)
    model = Ngram(kind="ngram", order=2)

    network, validation = fit_counts(model, data)

    alone = score_tokens(model.fit(data), data, data.token_stream(), "validation")
    later = score_tokens(network, data, data.token_stream(), "validation")
    assert validation.bits.tolist() == alone.bits.tolist()
    assert later.bits.mean() < 0.99 * alone.bits.mean()
