r"""Tokenizers: fitted on the training texts, and used unchanged inside the exported model.

Token 0 is padding, token 1 represents everything outside the vocabulary. Depending on `level`, a token is a word, a
character or a subword. Everything runs in a graph.

Words are the strings between white space, in any alphabet, with or without punctuation. "Don't LISTEN!" becomes

    strip      don't, listen        punctuation is removed; apostrophes inside words stay, curly ones straightened
    separate   don't, listen, !     each punctuation mark is a word of its own
    keep       don't, listen!       punctuation stays in the word

and keeps its capitals where `lower` is off. Punctuation is Unicode's, plus ASCII's ``$ + < = > ^ ` | ~``; an emoji is a
word or part of one. White space is Unicode's. Texts are split by RE2 regular expressions, which take time linear in the
length of the text.

Of subwords, frequent words stay whole, and others are split by a unigram language model (Kudo 2018). SentencePiece
(Kudo & Richardson 2018) fits the model; tensorflow_text splits texts in the graph. A program that loads a SavedModel
with subwords must import tensorflow_text first. Both packages are in the extra `subwords`. On film reviews, byte-pair
encoding with 8,000 pieces is fitted four times as fast and gives as many tokens within 2 %, but splits texts four times
as slowly, and texts are split far more often. Where line ends are not tokens, runs of white space become one space and
Unicode is normalised (NFKC), both by SentencePiece's own rule. Where they are, decoding restores a text exactly.
"""

import io
import logging
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.domains.common.sampling import Positions, sample_positions
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.tokens import PADDING, SPECIAL, UNKNOWN, Sequences, starts_from_lengths
from gristmill.errors import DataError, GristmillError, RequestError, short_repr
from gristmill.util.extras import require_extra
from gristmill.util.table_io import read_document, write_document

logger = logging.getLogger(__name__)

_MAX_BATCH_TEXTS, _MAX_BATCH_CHARACTERS = 1024, 1 << 20

_LINE_END = "\x1e"  # replaces a line end while white space is removed; in a text it counts as a space
_SPACE = r"\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"  # white space beyond ASCII
_SYMBOLS = "$+<=>^`|~"  # ASCII symbols that Unicode does not class as punctuation
_MARK = rf"(?:[^\PP']|[{_SPACE}{_SYMBOLS}])"  # separators, except ASCII white space and the apostrophe
_ANY = rf"[\pP\s\v{_SPACE}{_SYMBOLS}]"
_STRIPPED = rf"{_MARK}{_ANY}*|'{_ANY}+|[\s\v]'{_ANY}*|^'{_ANY}*|'$"  # an apostrophe stays only between letters
_LETTER = rf"[^\pP\s\v{_SPACE}{_SYMBOLS}]"
_SEPARATED = rf"{_LETTER}+(?:'{_LETTER}+)*|[\pP{_SYMBOLS}]"  # a word, or a punctuation mark

_MODEL_FILE = "subwords.model"
_EXACT: dict[str, Any] = {
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "add_dummy_prefix": False,
    "user_defined_symbols": ["\n"],
}
_MAX_SUBWORD_CHARACTERS = 8_000_000  # limit for fitting; longer data is sampled


def fit(texts: Sequence[str], settings: TokenSettings, lines: bool = False) -> "Tokenizer":
    """Return the tokenizer of the most frequent tokens of texts; of equally frequent ones, those that sort first.

    With `lines`, line ends are tokens, as generation needs them, and not white space.

    Raises:
        DataError: the texts contain fewer than two tokens.
        RequestError: the vocabulary does not fit the texts, or an extra of the package is missing.
    """
    check_not_blank(texts)
    rules, size = Rules.of(settings, lines), settings.vocabulary
    if settings.level == "subword":
        return fit_subwords(texts, size, rules)
    split = COUNTED[settings.level].split
    return of_tokens(most_frequent(texts, size - len(SPECIAL), lambda batch: split(batch, rules)), size, rules)


def of_tokens(tokens: Sequence[Any], size: int, rules: "Rules") -> "Tokenizer":
    """Return the tokenizer of words or characters that `split` found; `size` is the requested maximum."""
    level = COUNTED[rules.level]
    return level(vocabulary([level.as_text(token) for token in tokens], size, rules), rules)


def check_not_blank(texts: Iterable[str]) -> None:
    """Check that the training texts contain more than white space."""
    if not any(text.strip() for text in texts):
        raise DataError("the training texts contain only white space. Add texts.")


def write(tokenizer: "Tokenizer", folder: Path) -> None:
    """Write `tokenizer.json` and, for subwords, `subwords.model`."""
    write_document(folder / "tokenizer.json", {"rules": asdict(tokenizer.rules), "tokens": tokenizer.tokens})
    if tokenizer.model:
        (folder / _MODEL_FILE).write_bytes(tokenizer.model)


def read(folder: Path) -> "Tokenizer":
    """Read a tokenizer that `write` wrote."""
    document = read_document(folder / "tokenizer.json")
    rules, tokens = Rules(**document["rules"]), document["tokens"]
    if rules.level != "subword":
        return COUNTED[rules.level](tokens, rules)
    require_extra("preprocess.level: 'subword'", "subwords")
    return Subwords((folder / _MODEL_FILE).read_bytes(), tokens, rules)


def are_equal(first: "Tokenizer", second: "Tokenizer") -> bool:
    """Return whether two tokenizers give the same tokens to every text."""
    return (first.rules, first.model, first.tokens) == (second.rules, second.model, second.tokens)


def required_modules(levels: Iterable[str]) -> dict[str, list[str]]:
    """Return `needs` of `signature.json`: modules that a program imports before it loads a SavedModel."""
    return {"needs": ["tensorflow_text"]} if "subword" in levels else {}


def encode_texts(tokenizer: "Tokenizer", texts: Sequence[str]) -> Sequences:
    """Return the tokens of many texts, encoded in parallel."""
    if not len(texts):
        return Sequences(np.zeros(0, np.int32), np.zeros(1, np.int64))
    batches = [
        (tokens.flat_values.numpy(), tokens.row_lengths().numpy()) for tokens in map_batches(tokenizer.encode, texts)
    ]
    values, lengths = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return Sequences(values, starts_from_lengths(lengths))


@dataclass(frozen=True)
class Rules:
    """Rules by which texts are read and split into tokens."""

    level: str  # word, character or subword
    lower: bool
    punctuation: str  # of words: strip, separate or keep
    lines: bool  # whether line ends are tokens

    @classmethod
    def of(cls, settings: TokenSettings, lines: bool) -> "Rules":
        """Return the rules of settings."""
        return cls(settings.level, settings.lower, settings.punctuation, lines)

    def cased(self, texts: tf.Tensor) -> tf.Tensor:
        """Return texts in lower case, in all alphabets, where `lower` is set.

        Unicode is not normalised, since no operation of TensorFlow's core can: "é" as one character (NFC) and as two
        (NFD) are different tokens, except of subwords, which SentencePiece normalises.
        """
        if not self.lower:
            return texts
        whole = tf.strings.regex_replace(texts, r"\x00", " ")  # TensorFlow would drop the rest of the text otherwise
        return tf.strings.lower(whole, encoding="utf-8")


class Tokenizer(ABC):
    """A fitted tokenizer.

    A SavedModel that uses it must be given its `trackables` as resources.
    """

    model = b""  # SentencePiece's model of subwords

    def __init__(self, tokens: list[str], rules: Rules, trackables: Iterable[Any] = ()) -> None:
        """Create the tokenizer of tokens by id; 0 is padding, "", and 1 unknown, "[UNK]"."""
        self.tokens, self.rules, self.trackables = tokens, rules, list(trackables)

    @abstractmethod
    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the tokens of texts, (batch,): int32 (batch, any length)."""

    @abstractmethod
    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the texts of tokens, (batch, n), without padding: (batch,)."""


class Words(Tokenizer):
    """The tokenizer of words."""

    def __init__(self, tokens: list[str], rules: Rules) -> None:
        known = [_LINE_END if word == "\n" else word for word in tokens[len(SPECIAL) :]]
        ids = tf.range(len(SPECIAL), len(tokens), dtype=tf.int32)
        table = tf.lookup.KeyValueTensorInitializer(tf.constant(known, tf.string), ids)
        self._table = tf.lookup.StaticHashTable(table, default_value=UNKNOWN)
        super().__init__(tokens, rules, [self._table])

    @staticmethod
    def split(texts: tf.Tensor, rules: Rules) -> tf.RaggedTensor:
        """Return the words of texts: strings (batch, any number)."""
        texts = rules.cased(texts)
        if rules.lines:
            texts = tf.strings.regex_replace(texts, _LINE_END, " ")
            texts = tf.strings.regex_replace(texts, "\n", f" {_LINE_END} ")
        if rules.punctuation == "keep":
            return tf.strings.split(tf.strings.regex_replace(texts, f"[{_SPACE}]", " "))
        texts = tf.strings.regex_replace(texts, "’", "'")
        if rules.punctuation == "strip":
            return tf.strings.split(tf.strings.regex_replace(texts, _STRIPPED, " "))
        texts = tf.strings.regex_replace(texts, f"[{_SPACE}]", " ")
        return tf.strings.split(tf.strings.regex_replace(texts, _SEPARATED, r"\0 "))

    @staticmethod
    def as_text(word: bytes) -> str:
        """Return a word that `split` found as the vocabulary lists it."""
        text = word.decode()
        return "\n" if text == _LINE_END else text

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        words = self.split(texts, self.rules)
        return words.with_flat_values(self._table.lookup(words.flat_values))

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the words of each row joined by spaces, without spaces at line ends and before closing marks."""
        names = tf.gather(tf.constant(self.tokens), ids)
        texts = tf.strings.reduce_join(tf.ragged.boolean_mask(names, ids != PADDING), axis=-1, separator=" ")
        texts = tf.strings.regex_replace(texts, " ?\n ?", "\n")
        if self.rules.punctuation == "separate":
            texts = tf.strings.regex_replace(texts, r" ([!%),.:;?\]}…’”»])", r"\1")  # no space before closing marks
            texts = tf.strings.regex_replace(texts, r"([(\[{“‘«]) ", r"\1")  # nor after opening ones
        return texts


class Characters(Tokenizer):
    """The tokenizer of characters: each Unicode code point is a token, so decoding restores a text exactly."""

    def __init__(self, tokens: list[str], rules: Rules) -> None:
        super().__init__(tokens, rules)
        points = np.array([ord(token) for token in tokens[len(SPECIAL) :]], np.int32)
        order = np.argsort(points)
        self._points = points[order]
        self._ids = (order + len(SPECIAL)).astype(np.int32)

    @staticmethod
    def split(texts: tf.Tensor, rules: Rules) -> tf.RaggedTensor:
        """Return the code points of texts: int32 (batch, any number)."""
        return tf.strings.unicode_decode(rules.cased(texts), "UTF-8")

    @staticmethod
    def as_text(point: int) -> str:
        """Return a code point as a character."""
        return chr(point)

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        characters = self.split(texts, self.rules)
        points, values = tf.constant(self._points), characters.flat_values
        position = tf.minimum(tf.searchsorted(points, values), len(self._points) - 1)
        ids = tf.where(tf.gather(points, position) == values, tf.gather(self._ids, position), UNKNOWN)
        return characters.with_flat_values(ids)

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        characters = [*self.tokens[:UNKNOWN], "\N{REPLACEMENT CHARACTER}", *self.tokens[UNKNOWN + 1 :]]
        return tf.strings.reduce_join(tf.gather(tf.constant(characters), ids), axis=-1)


class Subwords(Tokenizer):
    """The tokenizer of subwords."""

    def __init__(self, model: bytes, tokens: list[str], rules: Rules) -> None:
        import tensorflow_text

        self.model = model
        self._pieces = tensorflow_text.SentencepieceTokenizer(model, out_type=tf.int32)
        super().__init__(tokens, rules, [self._pieces])

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        return self._pieces.tokenize(self.rules.cased(texts))

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        return self._pieces.detokenize(tf.ragged.boolean_mask(ids, ids != PADDING))


COUNTED: dict[str, type[Words] | type[Characters]] = {"word": Words, "character": Characters}
"""Levels whose vocabulary is a count of tokens; subwords are fitted by a model of their own."""


def fit_subwords(texts: Sequence[str], size: int, rules: Rules) -> Subwords:
    """Return the tokenizer of the most useful pieces, at most `size` including padding and unknown.

    Raises:
        DataError: there are fewer than two pieces, or SentencePiece finds none.
        RequestError: the extra is missing, or `size` is smaller than the number of different characters.
    """
    require_extra("preprocess.level: 'subword'", "subwords")
    import sentencepiece

    # 1. Fit SentencePiece's model on a sample of the texts.
    used = [texts[at] for at in sample_texts(texts, _MAX_SUBWORD_CHARACTERS)]
    cased = [text.decode() for text in rules.cased(tf.constant(used, tf.string)).numpy()]
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(cased),
            model_writer=model,
            model_type="unigram",
            vocab_size=size,
            hard_vocab_limit=False,  # small data sets have fewer pieces
            max_sentence_length=max(10, *(1 + len(text.encode()) for text in cased)),  # bytes; 10 is the lower limit
            pad_id=PADDING,
            unk_id=UNKNOWN,
            bos_id=-1,
            eos_id=-1,
            character_coverage=1.0 if rules.lines else 0.99999,  # rarer characters are unknown
            num_threads=1,  # for reproducible pieces
            minloglevel=2,  # errors only
            **(_EXACT if rules.lines else {}),
        )
    except RuntimeError as error:
        raise _translate(error, size) from None
    # 2. Read the pieces from the model.
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    tokens = [pieces.id_to_piece(number) for number in range(len(SPECIAL), pieces.get_piece_size())]
    return Subwords(model.getvalue(), vocabulary(tokens, size, rules), rules)


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


def most_frequent(texts: Sequence[str], size: int, split: Callable[[tf.Tensor], tf.RaggedTensor]) -> list[Any]:
    """Return up to `size` of the most frequent tokens, strings or numbers, that `split` finds in texts."""

    def count(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        counted = tf.unique_with_counts(split(batch).flat_values, out_idx=tf.int64)
        return counted.y, counted.count

    total: Counter[Any] = Counter()
    for tokens, counts in map_batches(count, texts):
        total.update(dict(zip(tokens.numpy().tolist(), counts.numpy().tolist(), strict=True)))
    return ranked(total, size)


def ranked(counts: Mapping[Any, int], size: int) -> list[Any]:
    """Return up to `size` tokens with the highest counts; of equal counts, those that sort first."""
    return sorted(counts, key=lambda token: (-counts[token], token))[:size]


def map_batches(function: Callable[[tf.Tensor], Any], texts: Sequence[str]) -> Iterator[Any]:
    """Yield the result of `function` for each batch of texts, in order.

    Several batches are processed in parallel by a compiled function. To compile it takes longer than a single batch.
    """
    batches = batches_of(texts)
    if len(batches) == 1:
        return map(function, batches)
    return iter(batches.map(function, num_parallel_calls=tf.data.AUTOTUNE))


def batches_of(texts: Sequence[str]) -> tf.data.Dataset:
    """Return batches of texts, (batch,), in order, small enough that several fit in memory when processed in parallel.

    A batch holds fewer than `_MAX_BATCH_CHARACTERS` before its last text begins.
    """
    lengths = np.array([len(text) for text in texts], np.int64)
    blocks = (np.cumsum(lengths) - lengths) // _MAX_BATCH_CHARACTERS
    groups = blocks * len(texts) + np.arange(len(texts)) // _MAX_BATCH_TEXTS
    begins = np.flatnonzero(np.diff(groups, prepend=-1))
    strings = tf.constant(list(texts), tf.string)
    if len(begins) == 1:
        return tf.data.Dataset.from_tensors(strings)
    bounds = tf.data.Dataset.from_tensor_slices((begins, np.append(begins, len(texts))[1:]))
    return bounds.map(lambda begin, end: strings[begin:end])


def sample_texts(texts: Sequence[str], characters: int, labels: npt.NDArray[np.int64] | None = None) -> Positions:
    """Return the positions of texts to fit on: of more than so many characters a sample, which the log tells of."""
    chosen = sample_positions(len(texts), characters, labels, np.array([len(text) for text in texts], np.int64))
    if len(chosen) < len(texts):
        logger.info("fitted on a sample of %s of %s texts", f"{len(chosen):,}", f"{len(texts):,}")
    return chosen


def vocabulary(tokens: Sequence[str], size: int, rules: Rules) -> list[str]:
    """Return the tokens by id, from those found in the training texts; `size` is the requested maximum.

    Raises:
        DataError: there are fewer than two tokens.
    """
    if len(tokens) < 2:  # one token alone cannot distinguish texts
        count = f"only one token, {short_repr(tokens[0])}," if tokens else "no token"
        raise DataError(
            f"the training texts contain {count} with preprocess.level = {rules.level!r}, vocabulary = {size} and "
            f"punctuation = {rules.punctuation!r}. Expected at least two: add texts or change these settings."
        )
    return [*SPECIAL, *tokens]
