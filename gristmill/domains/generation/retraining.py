"""Retraining of generation pipelines: text that was appended, the champion's bits on it, and a comparison of models.

A text is ordered, like a series. Nothing was trained on text appended at its end; if the text has changed before it,
that is not known. Champion and challenger predict the same pieces of the same text after the same beginning, and their
bits are counted per character, since their tokens may differ.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.generation import dataset
from gristmill.domains.generation.dataset import TokenStream, pieces, whole_text
from gristmill.domains.generation.scores import MAX_UNKNOWN_SHARE, GenerationScores
from gristmill.domains.text.tokens import UNKNOWN
from gristmill.errors import short_repr
from gristmill.retraining import example_diff
from gristmill.retraining.domain_retraining import DomainRetraining
from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_diff import CONTENT
from gristmill.retraining.example_drift import share_drift
from gristmill.retraining.gate import Contest
from gristmill.retraining.series_drift import series_error_drift
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
from gristmill.scores import MODEL
from gristmill.util.table_io import read_document, read_table

_PIECE_CHARACTERS = 500  # minimum length of a piece of text, whose bits are one error
_CONTEXT_CHARACTERS = 50  # characters before the first piece, for each token of a window


class TextRetraining(DomainRetraining):
    """Retraining of models that generate text."""

    def new_rows(self, ingest: Path, before: Path | None) -> DataChanges:
        """Count the lines appended since `before`; if text before its end has changed, all added and removed lines."""
        now = whole_text(ingest)
        if before is None:
            return DataChanges(later=now.count("\n"))
        then = whole_text(before)
        if _end(then, now) is not None:
            return DataChanges(later=now.count("\n") - then.count("\n"))
        changes = example_diff.compare_examples(_lines(ingest)[[CONTENT]], _lines(before)[[CONTENT]])
        return DataChanges(later=0, late=changes.later, removed=changes.removed)

    def diff(self, ingest: Path, before: Path) -> pd.DataFrame:
        """Return the lines that were added or lost, and their numbers; a changed line is both."""
        return example_diff.diff_examples(_lines(ingest), _lines(before), [CONTENT])

    def missing_rows(self, ingest: Path, before: Path) -> LostRows:
        """Count the lines of `before` that are missing."""
        now = _lines(ingest)["text"]
        then = _lines(before)["text"]
        return example_diff.lost_examples(now, then, lambda at: short_repr(then.iloc[at]), "lines")

    def drift(self, ingest: Path, champion: Champion) -> Drift:
        """Compare the champion's bits and unknown tokens on appended text with those on its held-out text."""
        folders = champion.folders
        now, then = whole_text(ingest), whole_text(folders["ingest"])
        layout = dataset.read(folders["preprocess"]).layout
        end = _end(then, now)
        if not layout.after_each or end is None or end == len(now):
            return Drift(errors=None, inputs=[])
        held_out = len(then) - layout.characters["validation"] - layout.characters["test"]
        scored = _score(folders, now, end), _score(folders, then, held_out)
        new_errors, errors = ((table["bits"] / table["characters"]).to_numpy() for table in scored)
        new_unknown, unknown = ((table["unknown"] / table["tokens"]).to_numpy() for table in scored)
        return combine_signs(
            errors=series_error_drift([new_errors], [errors]),
            inputs=[share_drift("unknown tokens", new_unknown, unknown, "held-out text")],
        )

    def judgeable(self, challenger: Folders, champion: Champion | None) -> int:
        """Return the number of lines after all text that either model was trained or selected on."""
        if champion is None:
            text = whole_text(challenger["ingest"])
            return text.count("\n", len(text) - dataset.read(challenger["preprocess"]).layout.characters["test"])
        text, begin = _unseen_text(challenger, champion.folders)
        return text.count("\n", begin)

    def contest(self, challenger: Folders, champion: Champion | None, steps: int | None = None) -> Contest:
        """Return the bits of challenger, baselines and champion on pieces of the challenger's test set.

        They are bits per character; without a champion, bits per token if the tokens do not represent the whole text.
        With a champion, the text after all that either was trained or selected on counts, and each baseline has its
        mean over the test set.
        """
        scores = GenerationScores.read(challenger["evaluate"])
        if champion is None:
            rows = read_table(challenger["evaluate"] / "bits.parquet").query("part == 'test'")
            columns = {CHALLENGER: rows[MODEL]} | {name: rows[name] for name in scores.baselines}
            score, per_token = (scores.model["test"][metric] or 0.0 for metric in (scores.metric, "bits_per_token"))
            unit = score / per_token if per_token else 1.0
            weights = np.diff([*rows["position"], scores.tokens["test"]]).astype(np.float64)
            errors = {name: unit * bits.to_numpy() for name, bits in columns.items()}
            return Contest(scores.metric, errors, block=1, weights=weights)
        text, begin = _unseen_text(challenger, champion.folders)
        scored = {CHALLENGER: _score(challenger, text, begin), CHAMPION: _score(champion.folders, text, begin)}
        _check_comparable(scored, challenger, champion.folders)
        errors = {name: (table["bits"] / table["characters"].mean()).to_numpy() for name, table in scored.items()}
        tokens = scores.tokens["test"] / dataset.read(challenger["preprocess"]).layout.characters["test"]
        for name, by_part in scores.baselines.items():
            errors[name] = tokens * np.full_like(errors[CHALLENGER], by_part["test"]["bits_per_token"])
        return Contest("bits_per_character", errors, block=1)


RETRAINING = TextRetraining()


def _lines(ingest: Path) -> pd.DataFrame:
    """Return the lines of the text: `CONTENT`, `line`, its number, and `text`."""
    lines = pd.Series(whole_text(ingest).splitlines(), dtype="str")
    return pd.DataFrame({CONTENT: lines, "line": np.arange(1, len(lines) + 1), "text": lines})


def _end(then: str, now: str) -> int | None:
    """Return the length of an earlier text that is the beginning of `now`; None if the text has changed."""
    if now.startswith(then):
        return len(then)
    return len(then) - 1 if now.startswith(then[:-1]) else None  # the last line end was added by `whole_text`


def _score(folders: Folders, text: str, begin: int) -> pd.DataFrame:
    """Return `bits`, `characters`, `tokens` and `unknown` tokens of the pieces of a text from `begin` on."""
    from gristmill.domains.generation.predictions import score_tokens
    from gristmill.domains.text.tokenizer import encode_texts
    from gristmill.training import saved_network  # TensorFlow is needed only for new text

    data = dataset.read(folders["preprocess"])
    before = text[max(0, begin - _CONTEXT_CHARACTERS * data.layout.length) : begin]
    scored = pieces(text[begin:], _PIECE_CHARACTERS)
    encoded = encode_texts(data.tokenizer(), [before, *scored])
    first, last = len(encoded[0]), len(encoded.values)
    bounds = {"train": (0, first), "test": (first, last)}
    tokens = TokenStream(encoded.values, np.arange(last, dtype=np.int32), bounds, data.layout.vocabulary)
    bits = score_tokens(saved_network.read(folders["train"]), data, tokens, "test").bits
    owners = encoded.owners[first:] - 1
    return pd.DataFrame(
        {
            "bits": np.bincount(owners, bits, len(scored)),
            "characters": [float(len(piece)) for piece in scored],
            "tokens": np.maximum(encoded.lengths[1:], 1).astype(np.float64),
            "unknown": np.bincount(owners, encoded.values[first:] == UNKNOWN, len(scored)),
        }
    )


def _unseen_text(challenger: Folders, champion: Folders) -> tuple[str, int]:
    """Return the challenger's text, and the position from which on neither was trained or selected on it."""
    texts = [whole_text(folders["ingest"]) for folders in (challenger, champion)]
    layouts = [dataset.read(folders["preprocess"]).layout for folders in (challenger, champion)]
    if not all(layout.after_each for layout in layouts):
        raise incomparable_error("networks trained on prefixes of lines have no bits per character")
    ends = [len(text) - layout.characters["test"] for text, layout in zip(texts, layouts, strict=True)]
    if not texts[0].startswith(texts[1][: ends[1]]):
        raise incomparable_error("the champion's training text has changed")
    return texts[0], max(ends)


def _check_comparable(scored: Mapping[str, pd.DataFrame], challenger: Folders, champion: Folders) -> None:
    """Check that both models' tokens represent the same text."""
    documents = [read_document(folders["preprocess"] / "tokenizer.json") for folders in (challenger, champion)]
    if documents[0] == documents[1]:
        return
    for name, document in zip((CHALLENGER, CHAMPION), documents, strict=True):
        rules, table = document["rules"], scored[name]
        if rules["level"] == "word" or rules["lower"]:
            raise incomparable_error(f"the {name}'s tokens differ from the other's and do not represent the whole text")
        share = table["unknown"].sum() / table["tokens"].sum()
        if share > MAX_UNKNOWN_SHARE:
            raise incomparable_error(
                f"{share:.2%} of the {name}'s tokens are unknown, more than {MAX_UNKNOWN_SHARE:.1%}"
            )
