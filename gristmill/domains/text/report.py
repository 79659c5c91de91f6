"""What a report on classifiers of texts shows: scores, errors, calibration, training, the embedding, the data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gristmill.domains.common.classification import report
from gristmill.domains.common.classification.report import Evaluation, headline_picture
from gristmill.domains.text import dataset, plots
from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.projector import visible
from gristmill.domains.text.special_tokens import SPECIAL
from gristmill.reports.learning import network_section, training_sections
from gristmill.reports.pictures import as_svg
from gristmill.reports.sections import Section, Table
from gristmill.util.table_io import read_document, read_table

__all__ = ["headline_picture", "sections"]

_TELLING = 12  # tokens of each class that are listed
_CLASSES = 20  # of which tokens are listed at most
_FREQUENT = 30  # tokens that are listed


def sections(folders: dict[str, Path]) -> Iterator[Section]:
    """Yield the sections of a report from the folders of a run's artifacts."""
    judged, data = report.read_evaluation(folders), dataset.read(folders["preprocess"])
    yield report.scores_section(judged)
    yield report.confusion_section(judged)
    yield report.calibration_section(judged)
    yield from error_sections(folders["evaluate"])
    yield from report.slice_sections(judged)
    yield from training_sections(folders["train"])
    yield from embedding_sections(judged)
    yield keywords_section(folders["evaluate"], data.classes)
    yield network_section(folders["evaluate"])
    told = read_document(folders["preprocess"] / "summary.json")
    yield data_section(data, told, read_document(folders["ingest"] / "summary.json"))
    yield vocabulary_section(data, told)


def error_sections(evaluated: Path) -> Iterator[Section]:
    """Yield the surest errors with their texts."""
    found = read_table(evaluated / "errors.parquet")
    if not len(found):
        return
    rows = [
        [row["id"], row["label"], row["predicted"], f"{row['probability']:.2%}", row["text"]]
        for row in found.to_dict("records")
    ]
    note = (
        "Texts of the test part that the model was most sure of and wrong about, the middle of long ones left out. "
        "Some may be labelled wrongly."
    )
    yield Section(
        "Surest errors",
        note,
        tables=[Table("", ["text", "true", "predicted", "probability", "what it says"], rows, words=True)],
    )


def embedding_sections(judged: Evaluation) -> Iterator[Section]:
    """Yield a picture of the embedding and the neighbours of some tokens, where the network has an embedding."""
    known, classes = judged.scores.embedding, judged.scores.classes
    if known is None:
        return
    places = read_table(judged.evaluate / "embedding2d.parquet")
    note = (
        f"The {len(places):,} tokens that tell the classes apart best, where the layer {known['layer']!r} has them: "
        f"the two directions in which they differ most, of {known['dimensions']}. All tokens are in vecs.tsv and "
        "meta.tsv, which projector.tensorflow.org takes."
    )
    picture = as_svg(plots.embedding_figure(places, classes, known["shares"]))
    near = read_table(judged.evaluate / "neighbours.parquet")
    rows = [
        [visible(str(token)), ", ".join(f"{visible(name)} {cosine:.3f}" for name, cosine in zip(*columns, strict=True))]
        for token, group in near.groupby("token", sort=False)
        for columns in [(group["neighbour"], group["similarity"])]
    ]
    tables = (
        [Table("Nearest by the cosine of the angle between them", ["token", "nearest"], rows, words=True)]
        if rows
        else []
    )
    yield Section("Embedding", note, [picture], tables)


def keywords_section(evaluated: Path, classes: list[str]) -> Section:
    """Return the tokens that speak most for each class."""
    telling = read_table(evaluated / "telling.parquet")
    rows = []
    for name in classes[:_CLASSES]:
        own = telling[telling["class"] == name].head(_TELLING)
        rows.append([name, ", ".join(visible(token) for token in own["token"])])
    note = (
        "Tokens whose odds in the training texts of a class stand most standard deviations above those in the others. "
        "The baseline weighs words by them, the network may use anything."
    )
    more = f"The first {_CLASSES} of {len(classes)} classes" if len(classes) > _CLASSES else ""
    return Section(
        "Telling tokens", note, tables=[Table(more, ["class", "tokens, the most telling first"], rows, words=True)]
    )


def data_section(data: Prepared, told: dict[str, Any], summary: dict[str, Any]) -> Section:
    """Return how many texts each class has in each part, how long they are, and which stand in two parts."""
    layout, index = data.layout, data.index
    dropped = summary["dropped"]
    note = (
        f"{len(index):,} texts of {len(layout.classes)} classes, of {index['tokens'].median():,.0f} tokens in the "
        f"median, cut at {layout.length:,}; "
        + (f"{dropped:,} without text or label were left out." if dropped else "none was left out.")
        + report.duplicates_note(told["repeated"])
    )
    return Section("Data", note, [as_svg(plots.lengths_figure(index, layout.length))], [report.counts_table(data)])


def vocabulary_section(data: Prepared, told: dict[str, Any]) -> Section:
    """Return the most frequent tokens, and what of each part's texts is not in the vocabulary or cut."""
    layout, vocabulary = data.layout, data.vocabulary
    known = vocabulary.iloc[len(SPECIAL) :]
    note = (
        f"{len(known):,} tokens ({layout.level}s), fitted on the training texts alone; what is none of them is unknown."
    )
    parts = [
        [part, f"{rate:.2%}", f"{told['cut'][part]:,}", f"{told['empty'][part]:,}"]
        for part, rate in told["unknown"].items()
    ]
    often = known.sort_values("count", ascending=False, kind="stable").head(_FREQUENT)
    rows = [[visible(token), f"{count:,}"] for token, count in often[["token", "count"]].itertuples(index=False)]
    tables = [
        Table("Tokens by part", ["part", "unknown tokens", "texts cut", "texts without a token"], parts),
        Table("Most frequent in the training texts", ["token", "count"], rows),
    ]
    return Section("Vocabulary", note, tables=tables)
