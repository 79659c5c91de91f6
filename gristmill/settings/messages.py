"""Messages about unknown names, invalid settings and errors of Keras.

Every command imports this module, so it does not import Pydantic. `validation.py` has the messages about invalid
settings.
"""

import difflib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from gristmill.util.urls import redact

_MIN_SIMILARITY = 0.7  # of names; 1 if they are equal
_MIN_PART = 3  # letters of a word that may stand for a longer name


class Problem(NamedTuple):
    """An invalid setting."""

    where: str  # file and table
    text: str
    key: str = ""  # key of the table; empty for a problem of the whole table
    label: str = ""  # key and position within its value, such as `quantiles[1]`; empty if the text names the key

    @property
    def line(self) -> str:
        """The text after the label."""
        return f"{self.label}: {self.text}" if self.label else self.text

    def __str__(self) -> str:
        return f"{self.where} {self.line}"


def unknown_name(what: str, received: Any, known: Iterable[str]) -> str:
    """Return `unknown model 'dlinaer'. Did you mean 'dlinear'? Known: dense, dlinear.`, or `missing. …` for None."""
    names = sorted(known)
    problem = f"unknown {what} {redact(received)!r}.{did_you_mean(str(received), names)}"
    return f"{'missing.' if received is None else problem} Known: {', '.join(names) or 'none'}."


def unknown_pipeline(received: str, known: Iterable[str]) -> str:
    """Return `unknown pipeline 'sunspot'. Did you mean 'sunspots'? All: gristmill ls.`; there may be many to list."""
    return f"unknown pipeline {received!r}.{did_you_mean(received, known, limit=3)} All: gristmill ls."


def meant_names(unknown: Iterable[str], known: Iterable[str]) -> set[str]:
    """Return the known names that misspelt ones stand for, so that these are not reported as missing, too."""
    names = list(known)
    return {name for received in unknown for name in close_names(received, names)}


def did_you_mean(received: str, known: Iterable[str], limit: int = 1) -> str:
    """Return ` Did you mean 'sunspots'?`, or nothing if no known name is similar."""
    close = close_names(received, known, limit)
    return f" Did you mean {', '.join(map(repr, close))}?" if close else ""


def close_names(received: str, known: Iterable[str], limit: int = 1) -> list[str]:
    """Return the known names that a misspelt name may stand for, the most similar first."""
    misspelt = _plain(received)
    close = []
    # Two names are close if they, or one of them and a word of the other, are similar: `max_epoch` and `epochs`. Few
    # typing errors change the first letter, so `report` is not close to `port`, nor `lags` to `flags`. A beginning
    # (`hist`) and swapped letters (`gur`) are close.
    for name in dict.fromkeys(known):
        plain = _plain(name)
        shorter, longer = sorted((misspelt, plain), key=len)
        is_beginning = len(shorter) >= _MIN_PART and longer.startswith(shorter)
        pairs = [*((misspelt, word) for word in _words(plain)), *((plain, word) for word in _words(misspelt))]
        if (
            is_beginning
            or sorted(misspelt) == sorted(plain)
            or any(first[:1] == word[:1] and _similarity(first, word) >= _MIN_SIMILARITY for first, word in pairs)
        ):
            close.append(name)
    return sorted(close, key=lambda name: -_similarity(misspelt, _plain(name)))[:limit]


def _plain(name: str) -> str:
    """Return a name without capitals and the dashes of an option."""
    return name.lstrip("-").lower()


def _words(name: str) -> list[str]:
    """Return a name and those of its words that are long enough to stand for it."""
    return [name, *(word for word in re.split(r"[\W_]+", name) if len(word) >= _MIN_PART)]


def _similarity(first: str, second: str) -> float:
    """Return how similar two texts are; 1 if they are equal."""
    return difflib.SequenceMatcher(None, first, second).ratio()


def keras_reason(error: Exception) -> str:
    """Return the first sentence of the first cause of a Keras error.

    Of nested errors, it is that of the innermost one, such as `Unknown activation 'x'`.
    """
    cause: BaseException = error
    while isinstance(earlier := cause.__cause__ or cause.__context__, TypeError | ValueError):
        cause = earlier
    return first_sentence(str(cause)) or type(error).__name__


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, or its first line if that is shorter, without the full stop."""
    return re.split(r"\.\s+[A-Z]|\n", text.strip())[0].rstrip(".:")
