"""Tokenizer of subwords: frequent words stay whole, others are split by a unigram language model (Kudo 2018).

SentencePiece (Kudo & Richardson 2018) fits the model; tensorflow_text splits texts in the graph. A program that loads a
SavedModel with subwords must import tensorflow_text first. Both packages are in the extra `subwords`. On film reviews,
byte-pair encoding with 8,000 pieces is fitted four times as fast and gives as many tokens within 2 %, but splits texts
four times as slowly, and texts are split far more often.

Where line ends are not tokens, runs of white space become one space and Unicode is normalised (NFKC), both by
SentencePiece's own rule. Where they are, decoding restores a text exactly.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from gristmill.domains.text.special_tokens import PADDING, SPECIAL, UNKNOWN
from gristmill.domains.text.token_rules import Rules, sample_texts, vocabulary
from gristmill.errors import DataError, GristmillError, RequestError
from gristmill.util.extras import require_extra

_FILE = "subwords.model"
_COVERAGE = 0.99999  # of all characters; rarer ones are unknown
_EXACT: dict[str, Any] = {
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "add_dummy_prefix": False,
    "user_defined_symbols": ["\n"],
}
_MAX_CHARACTERS = 8_000_000  # limit for fitting; longer data is sampled
_LOG_ERRORS_ONLY = 2
_MIN_SENTENCE_LENGTH = 10  # bytes; SentencePiece's lower limit for its option max_sentence_length


class Subwords:
    """The tokenizer of subwords."""

    def __init__(self, model: bytes, tokens: list[str], rules: Rules) -> None:
        import tensorflow_text

        self.rules = rules
        self.tokens = tokens
        self._model = model
        self._pieces = tensorflow_text.SentencepieceTokenizer(model, out_type=tf.int32)
        self.trackables: list[Any] = [self._pieces]

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of the pieces of texts: (batch, any length)."""
        return self._pieces.tokenize(self.rules.cased(texts))

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the text of each row of pieces."""
        return self._pieces.detokenize(tf.ragged.boolean_mask(ids, ids != PADDING))

    def has_model_of(self, other: "Subwords") -> bool:
        """Return whether another tokenizer has the same rules and SentencePiece model."""
        return self.rules == other.rules and self._model == other._model

    def write_model(self, folder: Path) -> None:
        """Write SentencePiece's model."""
        (folder / _FILE).write_bytes(self._model)


def fit(texts: Sequence[str], size: int, rules: Rules) -> Subwords:
    """Return the tokenizer of the most useful pieces, at most `size` including padding and unknown.

    Raises:
        DataError: there are fewer than two pieces, or SentencePiece finds none.
        RequestError: the extra is missing, or `size` is smaller than the number of different characters.
    """
    require_extra("preprocess.level: 'subword'", "subwords")
    import sentencepiece

    used = [texts[at] for at in sample_texts(texts, _MAX_CHARACTERS)]
    cased = [text.decode() for text in rules.cased(tf.constant(used, tf.string)).numpy()]
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(cased),
            model_writer=written,
            model_type="unigram",
            vocab_size=size,
            hard_vocab_limit=False,  # small data sets have fewer pieces
            max_sentence_length=max(_MIN_SENTENCE_LENGTH, *(1 + len(text.encode()) for text in cased)),
            pad_id=PADDING,
            unk_id=UNKNOWN,
            bos_id=-1,
            eos_id=-1,
            character_coverage=1.0 if rules.lines else _COVERAGE,
            num_threads=1,  # for reproducible pieces
            minloglevel=_LOG_ERRORS_ONLY,
            **(_EXACT if rules.lines else {}),
        )
    except RuntimeError as error:
        raise _translate(error, size) from None
    pieces = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    tokens = [pieces.id_to_piece(number) for number in range(len(SPECIAL), pieces.get_piece_size())]
    return Subwords(written.getvalue(), vocabulary(tokens, size, rules), rules)


def read(folder: Path, tokens: list[str], rules: Rules) -> Subwords:
    """Read the tokenizer from a folder."""
    require_extra("preprocess.level: 'subword'", "subwords")
    return Subwords((folder / _FILE).read_bytes(), tokens, rules)


def _translate(error: RuntimeError, size: int) -> GristmillError:
    """Convert an error of SentencePiece to an error about settings if its cause is known.

    Only this function parses its messages: SentencePiece raises `RuntimeError` without attributes, and the number of
    subwords that the characters need depends on its normalisation.
    """
    required = re.search(r"smaller than required_chars\. \d+ vs (\d+)", str(error))
    if not required:
        reason = next(iter(str(error).strip().splitlines()), "no reason given")
        return DataError(f"SentencePiece cannot find subwords: {reason}. Set another preprocess.level, or add texts.")
    return RequestError(
        f"preprocess.vocabulary is {size}, but the characters of the training texts alone take {required[1]} subwords. "
        f"Set more than {required[1]}."
    )
