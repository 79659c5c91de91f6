"""What a retraining asks of networks that write: what was added to the text, and who tells it in the fewest bits.

A text has an order, as a series has. Nobody was trained on what was added at its end; of a text that has changed before
it, that cannot be said. Champion and challenger are shown the same pieces of the same text, after the same beginning,
and their bits are counted by character, for their tokens may differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.generation import dataset
from gristmill.domains.generation.dataset import whole_text
from gristmill.domains.generation.scores import GenerationScores
from gristmill.domains.text.special_tokens import UNKNOWN
from gristmill.errors import short_repr
from gristmill.retraining import example_diff
from gristmill.retraining.drift import combine_signs, series_error_drift, share_drift
from gristmill.retraining.example_diff import CONTENT
from gristmill.retraining.gate import Contest
from gristmill.runs.retraining_record import (
    CHALLENGER,
    CHAMPION,
    Champion,
    DataChanges,
    Drift,
    Folders,
    LostRows,
    incomparable_error,
)
from gristmill.runs.scores import MODEL
from gristmill.util.table_io import read_document, read_table

Values = npt.NDArray[np.float64]  # (pieces,)

_PIECE = 500  # characters, and what it takes to the end of the line, whose bits are one error
_BEFORE = 50  # characters for each token of a window that a network is shown before the first piece
_UNKNOWN_AT_MOST = 0.001  # share of tokens, which moves bits by 1 % at most, for them to be told by character


def news(ingest: Path, before: Path | None) -> DataChanges:
    """Count the lines that were added at the end; where the text has changed before it, all that came or went.

    Args:
        ingest: folder of the texts.
        before: folder of the earlier ones; None if there are none.
    """
    now = whole_text(ingest)
    if before is None:
        return DataChanges(later=now.count("\n"))
    then = whole_text(before)
    if _end(then, now) is not None:
        return DataChanges(later=now.count("\n") - then.count("\n"))
    found = example_diff.compare_examples(
        *(pd.DataFrame({CONTENT: text.splitlines()}, dtype="str") for text in (now, then))
    )
    return DataChanges(later=0, late=found.later, removed=found.removed)


def lost(ingest: Path, before: Path) -> LostRows:
    """Count the earlier lines that are missing.

    Args:
        ingest: folder of the texts.
        before: folder of the earlier ones.
    """
    now, then = (pd.Series(whole_text(folder).splitlines(), dtype="str") for folder in (ingest, before))
    return example_diff.lost_examples(now, then, lambda at: short_repr(then.iloc[at]), "lines")


def drift(ingest: Path, champion: Champion) -> Drift:
    """Count the champion's bits on what was added at the end, and how many of its tokens it does not know.

    Args:
        ingest: folder of the texts.
        champion: the version that serves.
    """
    folders = champion.folders
    now, then = whole_text(ingest), whole_text(folders["ingest"])
    layout, end = dataset.read(folders["preprocess"]).layout, _end(then, now)
    if not layout.after_each or end is None or end == len(now):
        return Drift(errors=None, inputs=[])
    held_out = len(then) - layout.characters["validation"] - layout.characters["test"]
    new, known = _told(folders, now, end), _told(folders, then, held_out)
    return combine_signs(
        errors=series_error_drift([new.bits / new.characters], [known.bits / known.characters]),
        inputs=[share_drift("unknown tokens", new.unknown / new.tokens, known.unknown / known.tokens, "held-out text")],
    )


def judgeable(challenger: Folders, champion: Champion) -> int:
    """Return how many lines end after all that either model is trained or chosen on.

    Args:
        challenger: folders of its artifacts up to preprocess.
        champion: the version that serves.
    """
    text, begin = _unlearned(challenger, champion.folders)
    return text.count("\n", begin)


def contest(challenger: Folders, champion: Champion | None) -> Contest:
    """Return the bits of challenger, baselines and champion on the challenger's test part, piece by piece.

    Beside a champion they are told by character, on what comes after all that either was trained or chosen on; of
    baselines the mean over the test part stands for each piece. Without one they are told by token.

    Args:
        challenger: folders of its artifacts.
        champion: the version that serves; None without one.
    """
    scores = GenerationScores.read(challenger["evaluate"])
    if champion is None:
        rows = read_table(challenger["evaluate"] / "bits.parquet").query("part == 'test'")
        told = {CHALLENGER: rows[MODEL]} | {name: rows[name] for name in scores.baselines}
        return Contest("bits_per_token", {name: bits.to_numpy() for name, bits in told.items()})
    text, begin = _unlearned(challenger, champion.folders)
    made = {CHALLENGER: _told(challenger, text, begin), CHAMPION: _told(champion.folders, text, begin)}
    _refuse_other_units(made, challenger, champion.folders)
    errors = {name: told.bits / told.characters.mean() for name, told in made.items()}
    tokens = scores.tokens["test"] / dataset.read(challenger["preprocess"]).layout.characters["test"]
    for name, by_part in scores.baselines.items():
        errors[name] = tokens * np.full_like(errors[CHALLENGER], by_part["test"]["bits_per_token"])
    return Contest("bits_per_character", errors)


def _end(then: str, now: str) -> int | None:
    """Return where a text goes on after it was an earlier one, its last line too; None where it has changed before."""
    if now.startswith(then):
        return len(then)
    return len(then) - 1 if now.startswith(then[:-1]) else None  # the earlier text's last line end was ours


@dataclass(frozen=True)
class _Told:
    """What became of a text, piece by piece."""

    bits: Values
    characters: Values
    tokens: Values
    unknown: Values  # tokens


def _told(folders: Folders, text: str, begin: int) -> _Told:
    """Return what a network tells of a text from a place on, piece by piece, knowing what stands before."""
    from gristmill.domains.generation.baselines import TokenStream
    from gristmill.domains.generation.predictions import score_tokens
    from gristmill.domains.text.tokenizer import encode_texts
    from gristmill.training import saved_network  # late: without new text TensorFlow is not needed

    data = dataset.read(folders["preprocess"])
    before, told = text[max(0, begin - _BEFORE * data.layout.length) : begin], pieces(text[begin:])
    found = encode_texts(data.tokenizer(), [before, *told])
    first, last = len(found[0]), len(found.values)
    bounds = {"train": (0, first), "test": (first, last)}
    tokens = TokenStream(found.values, np.arange(last, dtype=np.int32), bounds, data.layout.vocabulary)
    bits = score_tokens(saved_network.read(folders["train"]), data, tokens, "test").bits
    owners = np.repeat(np.arange(len(told)), found.lengths[1:])
    return _Told(
        bits=_summed(bits, owners, len(told)),
        characters=np.array([len(piece) for piece in told], np.float64),
        tokens=np.maximum(found.lengths[1:], 1).astype(np.float64),
        unknown=_summed(found.values[first:] == UNKNOWN, owners, len(told)),
    )


def _summed(values: npt.NDArray[Any], owners: npt.NDArray[np.int64], count: int) -> Values:
    sums: Values = np.bincount(owners, values, count).astype(np.float64)
    return sums


def pieces(text: str) -> list[str]:
    """Return a text in pieces, which together are the text, each but the last one ending with a line."""
    made, begin = [], 0
    while begin < len(text):
        end = text.find("\n", begin + _PIECE) + 1 or len(text)
        made.append(text[begin:end])
        begin = end
    return made


def _learned(folders: Folders, text: str) -> int | None:
    """Return up to which character of its text a network was trained and chosen on; None where it was on lines."""
    layout = dataset.read(folders["preprocess"]).layout
    return len(text) - layout.characters["test"] if layout.after_each else None


def _unlearned(challenger: Folders, champion: Folders) -> tuple[str, int]:
    """Return the challenger's text, and from where on neither of them was trained or chosen on it."""
    text, then = whole_text(challenger["ingest"]), whole_text(champion["ingest"])
    own, other = _learned(challenger, text), _learned(champion, then)
    if own is None or other is None:
        raise incomparable_error("networks that were trained on prefixes of lines are not told by character")
    if not text.startswith(then[:other]):
        raise incomparable_error("the text that the champion was trained on has changed before its end")
    return text, max(own, other)


def _refuse_other_units(made: Mapping[str, _Told], challenger: Folders, champion: Folders) -> None:
    """Refuse tokens that do not stand for the same text."""
    documents = [read_document(folders["preprocess"] / "tokenizer.json") for folders in (challenger, champion)]
    if documents[0] == documents[1]:
        return
    for name, document in zip((CHALLENGER, CHAMPION), documents, strict=True):
        rules, told = document["rules"], made[name]
        if rules["level"] == "word" or rules["lower"]:
            raise incomparable_error(
                f"the {name}'s tokens differ from the other's and do not stand for all of the text"
            )
        share = told.unknown.sum() / told.tokens.sum()
        if share > _UNKNOWN_AT_MOST:
            raise incomparable_error(f"{share:.2%} of the {name}'s tokens are unknown, which say nothing of the text")
