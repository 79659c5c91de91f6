"""A look at labelled texts: where they stand, which classes there are, how long they are."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gristmill.domains.text.ingest import ingest
from gristmill.domains.text.settings import Ingest
from gristmill.errors import DataError
from gristmill.scaffold import generation
from gristmill.scaffold.column import Column
from gristmill.scaffold.data import Data
from gristmill.scaffold.encodings import encoding_guesses, encoding_of
from gristmill.scaffold.folders import classes_in, parts_in, why_no_classes
from gristmill.scaffold.proposal import Guess, Proposal, values_of
from gristmill.scaffold.table import SampledTable, read_table
from gristmill.scaffold.target_column import class_of, refuse_target
from gristmill.scaffold.training_defaults import pace
from gristmill.sources import archives
from gristmill.sources.packed import read_bytes
from gristmill.sources.parts import PARTS
from gristmill.sources.rows import TableSource
from gristmill.sources.texts.folder import TEXTS, Folder
from gristmill.util.table_io import read_document
from gristmill.util.table_io import read_table as read_parquet

_UNCUT = 0.95  # of the texts
_LONGEST = 500  # tokens
_SMALL = 5_000  # texts
_UNSPACED = 20  # characters of a text, from which on a language with spaces has some
_NAMED = 6  # classes that the description names


@dataclass(frozen=True)
class _Seen:
    """What ingest makes of the texts."""

    classes: dict[str, int]  # and how many texts each has
    parts: set[str]  # that the data itself names
    words: "pd.Series[int]"  # of each text
    characters: int  # of a text, the median


def propose(data: Data, target: str | None) -> Proposal:
    """Return a pipeline that sorts texts into classes; of plain texts without classes one that goes on writing them.

    Raises:
        DataError: there are no texts, no classes, or one class alone.
        RequestError: a column is asked for, and the texts stand in none.
    """
    if not _is_plain(data):
        return _of_table(data, target)
    refuse_target(target, "the texts are files of their own and folders name their classes")
    with archives.open_files(data.files(Folder.suffixes), TEXTS) as found:
        if len(classes_in(found)) < 2:
            return generation.propose(data)
        if untidy := why_no_classes(found):
            raise DataError(
                f"{data.place}: {len(found):,} texts, but {untidy}. Put those of each class into a folder of its own "
                "and all others elsewhere, or name the folder of the classes as --data."
            )
        contents = [read_bytes(path, read()) for path, read in found.items()]
        encoding = encoding_of(next(iter(found)), contents)
        parts = parts_in(found)
    guesses = [Guess("kind", "folder", "a folder for each class"), Guess("path", data.written, data.warning)]
    if parts:
        guesses.append(Guess("parts", True, f"the folders above are named {', '.join(parts)}"))
    guesses += encoding_guesses(encoding)
    source = Folder.model_validate(values_of(guesses))
    seen = _ingested(source, data.files(Folder.suffixes), Ingest())
    return _draft(data, guesses, [], seen, [])


def _is_plain(data: Data) -> bool:
    """Whether the texts are files of their own, and no cells of a table."""
    return any(path.name.lower().endswith(Folder.suffixes) for path in data.files())


def _of_table(data: Data, target: str | None) -> Proposal:
    table = read_table(data)
    part = next((column for column in table.columns.values() if _names_parts(column)), None)
    text = _text(table)
    label, why = class_of(table, {text.name, *([part.name] if part else [])}, target)
    guesses = [
        Guess("text", text.name, f"the longest texts, {_lengths(text)[0]:,.0f} words on average"),
        Guess("label", label.name, why),
    ]
    if part:
        guesses.append(Guess("part", part.name, "train, validation or test"))
    cells = table.rows.frame[[text.name, label.name]].fillna("").astype("str")
    if blank := cells.apply(_is_blank).any(axis=1).sum():
        guesses.append(Guess("missing", "drop", f"rows without text or label: {blank:,} of {len(table.rows.frame):,}"))
    settings = Ingest.model_validate(values_of(guesses))
    others = [name for name in table.columns if name not in {guess.value for guess in guesses}]
    notes = [f"Not used: {', '.join(map(repr, others))}; `metadata` keeps such columns, to score by."] if others else []
    return _draft(data, table.guesses, guesses, _ingested(table.source, table.files, settings), notes)


def _is_blank(cells: "pd.Series[str]") -> "pd.Series[bool]":
    return cells.str.strip() == ""


def _lengths(column: Column) -> tuple[float, float]:
    """Return how many words, and how many characters, a cell has on average."""
    cells = column.cells.fillna("").astype("str")
    return float(cells.map(lambda text: len(text.split())).mean()), float(cells.map(len).mean())


def _names_parts(column: Column) -> bool:
    return column.distinct > 1 and {str(cell).lower() for cell in column.cells.dropna().unique()} <= {*PARTS}


def _text(table: SampledTable) -> Column:
    """Return the column of the longest texts."""
    texts = [column for column in table.columns.values() if column.numbers is None and column.cells.dtype.kind != "M"]
    if not texts:
        raise DataError(f"{table.rows.name}: no column of texts among {', '.join(map(repr, table.columns))}.")
    return max(texts, key=_lengths)


def _ingested(source: TableSource, files: tuple[Path, ...], settings: Ingest) -> _Seen:
    """Return what ingest makes of the texts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ingest(source=source, ingest=settings, out=folder, paths=files)
        texts, summary = read_parquet(folder / "texts.parquet")["text"], read_document(folder / "summary.json")
    words = texts.map(lambda text: len(text.split()))
    parts = set(summary["parts"])
    return _Seen(summary["counts"], parts, words, int(texts.str.len().median()))


def _draft(data: Data, source: list[Guess], columns: list[Guess], seen: _Seen, notes: list[str]) -> Proposal:
    counts = seen.classes.items()
    classes = ", ".join(f"{count:,} {name!r}" for name, count in list(counts)[:_NAMED]) + ", …" * (len(counts) > _NAMED)
    tables = {
        "source": source,
        "ingest": columns,
        "preprocess": _tokens(seen),
        "model": [
            Guess("kind", "embedding", "quick and hard to beat; or conv, lstm, gru"),
            Guess("dropout", 0.5, "left out by chance in training, against learning by heart"),
        ],
        "train": _training(len(seen.words)),
    }
    return Proposal("text", f"{data.called}: {len(seen.words):,} texts: {classes}", tables, notes)


def _tokens(seen: _Seen) -> list[Guess]:
    """Return the table `preprocess`."""
    spaced = seen.words.median() > 2 or seen.characters < _UNSPACED
    unit = "words" if spaced else "characters"
    longest = int(seen.words.quantile(_UNCUT)) if spaced else seen.characters
    length = min(_LONGEST, max(8, math.ceil(longest / 10) * 10))
    guesses = [] if spaced else [Guess("level", "character", "the texts have hardly any spaces")]
    guesses.append(Guess("length", length, f"{unit}; {_UNCUT:.0%} of the texts have {longest:,} at most"))
    drawn = [part for part in ("validation", "test") if part not in seen.parts]
    shares = {"validation": (0.1, "choices are made on it"), "test": (0.2, "scored, never learnt from")}
    return guesses + [Guess(part, shares[part][0], f"of each class: {shares[part][1]}") for part in drawn]


def _training(texts: int) -> list[Guess]:
    epochs, batch = (30, 16) if texts < _SMALL else (5, 64)
    return [
        Guess("epochs", epochs, f"at most, of {texts:,} texts"),
        Guess("patience", max(2, epochs // 6), "epochs that validation may not get better"),
        *pace(batch, 3e-3),
    ]
