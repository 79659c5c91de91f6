"""Subwords: frequent words whole and others in pieces, by a unigram language model of them (Kudo 2018).

SentencePiece (Kudo & Richardson 2018) finds the pieces; tensorflow_text cuts texts into them in the graph. A program
that loads a SavedModel with them must import tensorflow_text first. Both are the extra `subwords` of the package. On
film reviews, 8,000 pieces of byte-pair encoding are found four times as fast, are as many in a text within 2 %, and
take four times as long to cut it into, which is what is done again and again.

Where line ends are no tokens, white space of any kind and length is one space and Unicode is normalised (NFKC), by
SentencePiece's own rule; where they are, a text comes back as it was.
"""

import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from gristmill.domains.text.special_tokens import PADDING, SPECIAL, UNKNOWN
from gristmill.domains.text.token_rules import Rules, vocabulary
from gristmill.errors import DataError, GristmillError, RequestError
from gristmill.util.extras import require_extra

_FILE = "subwords.model"
_COVERAGE = 0.99999  # of all characters; those rarer are unknown
_EXACT: dict[str, Any] = {
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "add_dummy_prefix": False,
    "user_defined_symbols": ["\n"],
}
_ENOUGH = 8_000_000  # characters to find pieces in; of more, every second text is used, or third, …
_SILENT = 2  # of what it logs, errors alone
_SHORTEST = 10  # bytes that SentencePiece takes for the length of the longest text at least


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

    def write(self, folder: Path) -> None:
        """Write the pieces as SentencePiece reads them."""
        (folder / _FILE).write_bytes(self._model)


def fit(texts: Sequence[str], size: int, rules: Rules) -> Subwords:
    """Return the tokenizer of the pieces that tell texts best, `size` with padding and unknown at most.

    Raises:
        DataError: there are too few, or SentencePiece cannot find any.
        RequestError: the extra is missing, or `size` is less than the texts' different characters.
    """
    require_extra("preprocess.level: 'subword'", "subwords")
    import sentencepiece

    used = texts[:: math.ceil(sum(map(len, texts)) / _ENOUGH)]
    cased = [text.decode() for text in rules.cased(tf.constant(list(used), tf.string)).numpy()]
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(cased),
            model_writer=written,
            model_type="unigram",
            vocab_size=size,
            hard_vocab_limit=False,  # few texts have fewer pieces
            max_sentence_length=max(_SHORTEST, *(1 + len(text.encode()) for text in cased)),  # longer ones are left out
            pad_id=PADDING,
            unk_id=UNKNOWN,
            bos_id=-1,
            eos_id=-1,
            character_coverage=1.0 if rules.lines else _COVERAGE,
            num_threads=1,  # the same pieces every time
            minloglevel=_SILENT,
            **(_EXACT if rules.lines else {}),
        )
    except RuntimeError as error:
        raise _explained(error, size) from None
    pieces = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    found = [pieces.id_to_piece(number) for number in range(len(SPECIAL), pieces.get_piece_size())]
    return Subwords(written.getvalue(), vocabulary(found, size, rules), rules)


def read(folder: Path, tokens: list[str], rules: Rules) -> Subwords:
    """Return the tokenizer of the pieces in a folder.

    Raises:
        RequestError: the extra is missing.
    """
    require_extra("preprocess.level: 'subword'", "subwords")
    return Subwords((folder / _FILE).read_bytes(), tokens, rules)


def _explained(error: RuntimeError, size: int) -> GristmillError:
    """Return what SentencePiece's error means for the settings, if it is known, else what it says.

    Its text is read here, and here alone: all its errors are a `RuntimeError` without attributes, and how many subwords
    the characters take depends on how it normalises them.
    """
    found = re.search(r"smaller than required_chars\. \d+ vs (\d+)", str(error))
    if not found:
        reason = next(iter(str(error).strip().splitlines()), "no reason given")
        return DataError(
            f"SentencePiece cannot find subwords: {reason}. Set preprocess.level to another one, or add texts."
        )
    return RequestError(
        f"preprocess.vocabulary is {size}, but the characters of the training texts alone take {found[1]} subwords. "
        f"Set more than {found[1]}."
    )
