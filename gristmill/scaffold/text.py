"""Proposal for labelled texts: where they are, their classes, and their lengths."""

import tempfile
from dataclasses import replace
from pathlib import Path

from gristmill.domains.common.classification import labelled
from gristmill.domains.text.ingest import ingest
from gristmill.domains.text.settings import Ingest
from gristmill.errors import DataError
from gristmill.scaffold import generation
from gristmill.scaffold.data import Data
from gristmill.scaffold.file_format import encoding_guesses, encoding_of
from gristmill.scaffold.proposal import NO_OPTIONS, ForecastOptions, Guess, Proposal, values_of
from gristmill.scaffold.shared_guesses import (
    CORRECT_SPELLING,
    TEST_SHARE,
    auto_guesses,
    folder_guesses,
    list_classes,
    part_guesses,
    silenced,
    spelling_notes,
    why_no_classes,
)
from gristmill.scaffold.table import SampledColumn, SampledTable, read_table
from gristmill.scaffold.target_column import check_no_target, choose_class_column
from gristmill.sources import archives
from gristmill.sources.file_content import read_bytes
from gristmill.sources.rows import TableSource
from gristmill.sources.texts.folder import TEXTS, Folder
from gristmill.util.table_io import read_document
from gristmill.util.table_io import read_table as read_parquet


def propose(data: Data, target: str | None = None, options: ForecastOptions = NO_OPTIONS) -> Proposal:
    """Return a pipeline that classifies texts; for plain texts without classes one that continues them."""
    options.refuse()
    # Choose the settings that read the texts: from files in folders of their classes, or from a table.
    if any(path.name.lower().endswith(Folder.suffixes) for path in data.files()):
        check_no_target(target, "the texts are files of their own and folders name their classes")
        files, notes = data.files(Folder.suffixes), list[str]()
        with archives.open_files(files, TEXTS) as texts_by_path:
            if len({path.parent.name for path in texts_by_path}) < 2:
                note = "These texts have no classes, so the domain is `generation`: a network that continues them."
                return replace(generation.propose(data), notes=[note])
            if problem := why_no_classes(texts_by_path):
                raise DataError(
                    f"{data.place}: {len(texts_by_path):,} texts, but {problem}. Put those of each class into a folder "
                    "of its own and all others elsewhere, or name the folder of the classes as --data."
                )
            contents = {path: read_bytes(path, read()) for path, read in texts_by_path.items()}
        layout = [*folder_guesses(data, contents), *encoding_guesses(encoding_of(contents))]
        columns = _missing_guesses(sum(not content.strip() for content in contents.values()), len(contents))
        source: TableSource = Folder.model_validate(values_of(layout))
    else:
        table = read_table(data)
        layout, source, files = table.layout, table.source, table.files
        columns, notes = _guesses_of_table(table, target)
    # Ingest the texts.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with silenced(labelled.__name__):
            ingest(source=source, ingest=Ingest.model_validate(values_of(columns)), out=folder, paths=files)
        texts, summary = read_parquet(folder / "texts.parquet")["text"], read_document(folder / "summary.json")
    notes = [*filter(None, [summary.get("warning")]), *notes]
    # Tokens are words, unless the texts have no spaces. A short text has none in any language.
    has_words = texts.map(lambda text: len(text.split())).median() > 2 or int(texts.str.len().median()) < 20
    level = [] if has_words else [Guess("level", "character", "the texts have hardly any spaces")]
    tables = {
        "source": layout,
        "ingest": columns,
        "preprocess": [*level, *part_guesses(summary["parts"])],
        "model": auto_guesses("text", round((1 - TEST_SHARE) * len(texts))),
    }
    return Proposal("text", f"{data.name}: {len(texts):,} texts: {list_classes(summary['counts'])}", tables, notes)


def _guesses_of_table(table: SampledTable, target: str | None) -> tuple[list[Guess], list[str]]:
    """Return the table `ingest` of texts in a table, and notes."""
    part = next((column for column in table.columns.values() if column.names_parts), None)
    text = longest_texts(table)
    label, why = choose_class_column(table, {text.name, *([part.name] if part else [])}, target)
    words = f"the longest texts, {mean_lengths(text)[0]:,.0f} words on average"
    guesses = [Guess("text", text.name, words), Guess("label", label.name, why)]
    if part:
        guesses.append(Guess("part", part.name, "train, validation or test"))
    cells = table.rows.frame[[text.name, label.name]].fillna("").astype("str")
    blank = int(cells.apply(lambda column: column.str.strip() == "").any(axis=1).sum())
    guesses += _missing_guesses(blank, len(cells))
    others = [name for name in table.columns if name not in {guess.value for guess in guesses}]
    notes = spelling_notes(cells[label.name].unique(), CORRECT_SPELLING, label.name)
    if others:
        notes.append(f"Not used: {', '.join(map(repr, others))}; name one in `ingest.metadata` to slice scores by it.")
    return guesses, notes


def _missing_guesses(blank: int, count: int) -> list[Guess]:
    return [Guess("missing", "drop", f"without text or label: {blank:,} of {count:,}")] if blank else []


def mean_lengths(column: SampledColumn) -> tuple[float, float]:
    """Return the mean number of words and of characters in a cell."""
    cells = column.cells.fillna("").astype("str")
    return float(cells.map(lambda text: len(text.split())).mean()), float(cells.map(len).mean())


def longest_texts(table: SampledTable) -> SampledColumn:
    """Return the column of the longest texts."""
    texts = [column for column in table.columns.values() if column.numbers is None and column.cells.dtype.kind != "M"]
    if not texts:
        raise table.missing_column_error(f"no column of texts among {', '.join(map(repr, table.columns))}.")
    return max(texts, key=mean_lengths)
