"""Report on a text classifier: scores, errors, calibration, training, embedding and data."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gristmill.domains.common.classification import report
from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.common.classification.report import Evaluation, headline_picture
from gristmill.domains.text import dataset
from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.projector import visible
from gristmill.domains.text.tokens import SPECIAL
from gristmill.reports.learning import network_section
from gristmill.reports.pictures import ACCENT, BASELINE, MODEL, TRUTH, as_svg, canvas, legend, shorten, text_color
from gristmill.reports.scores import PART_NAMES
from gristmill.reports.sections import Section, Table
from gristmill.util.table_io import read_document, read_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["headline_picture", "sections"]
MAX_KEYWORDS_LISTED = 12  # of each class
MAX_CLASSES_LISTED = 20
_COLOURS = (ACCENT, MODEL, BASELINE, TRUTH)  # of classes; all from the fourth on share the last


def sections(folders: dict[str, Path]) -> Iterator[Section]:
    """Yield the sections of the report, given the folders of a run's artifacts."""
    evaluation = report.read_evaluation(folders)
    data = dataset.read(folders["preprocess"])
    yield from report.evaluation_sections(evaluation)
    yield from embedding_sections(evaluation)
    yield keywords_section(folders["evaluate"], data.classes)
    yield network_section(folders["evaluate"])
    summary = read_document(folders["preprocess"] / "summary.json")
    yield data_section(data, summary, read_document(folders["ingest"] / "summary.json")["dropped"])
    yield vocabulary_section(data, summary)


def embedding_sections(evaluation: Evaluation) -> Iterator[Section]:
    """Yield a plot of the embedding and the neighbours of some tokens, if the network has an embedding."""
    known, classes = evaluation.scores.embedding, evaluation.scores.classes
    if known is None:
        return
    positions = read_table(evaluation.evaluate / "embedding2d.parquet")
    note = (
        f"The {len(positions):,} strongest keywords in the embedding of layer {known['layer']!r}: the first two "
        f"principal components of {known['dimensions']} dimensions. All tokens are in vecs.tsv and meta.tsv, which "
        "projector.tensorflow.org reads."
    )
    picture = as_svg(embedding_figure(positions, classes, known["shares"]), "Keywords in two dimensions, by class")
    near = read_table(evaluation.evaluate / "neighbours.parquet")
    near["shown"] = near["neighbour"].map(visible) + near["similarity"].map(" {:.3f}".format)
    rows = [[visible(str(token)), ", ".join(shown)] for token, shown in near.groupby("token", sort=False)["shown"]]
    nearest = Table("Nearest tokens by cosine similarity", ["token", "nearest"], rows, words=True)
    yield Section("Embedding", note, [picture], [nearest] if rows else [])


def keywords_section(evaluated: Path, classes: list[str]) -> Section:
    """Return the keywords of each class."""
    file = evaluated / "class_keywords.parquet"
    keywords = read_table(file if file.exists() else evaluated / "telling.parquet")  # the name in earlier releases
    rows = [
        [name, ", ".join(map(visible, keywords.loc[keywords["class"] == name, "token"].head(MAX_KEYWORDS_LISTED)))]
        for name in classes[:MAX_CLASSES_LISTED]
    ]
    note = (
        "Tokens whose odds in the training texts of a class exceed those in the others by the most standard "
        "deviations. The baseline weights words by these odds; the network may use other features."
    )
    title = f"The first {MAX_CLASSES_LISTED} of {len(classes)} classes" if len(classes) > MAX_CLASSES_LISTED else ""
    return Section("Keywords", note, tables=[Table(title, ["class", "strongest keywords"], rows, words=True)])


def data_section(data: Prepared, summary: dict[str, Any], dropped: int) -> Section:
    """Return the number of texts by class and part, their lengths, and texts shared by two parts."""
    layout, index = data.layout, data.index
    truncated = f", truncated at {layout.length:,}" if any(summary["cut"].values()) else ""
    left_out = f"{dropped:,} without text or label were dropped." if dropped else "none was dropped."
    note = (
        f"{len(index):,} texts of {len(layout.classes)} classes, with a median of {index['tokens'].median():,.0f} "
        f"tokens{truncated}; {left_out}{report.duplicates_note(summary)}"
    )
    picture = as_svg(lengths_figure(index, layout.length), "Histogram of the tokens per text, by part")
    return Section("Data", note, [picture], [report.counts_table(data)])


def vocabulary_section(data: Prepared, summary: dict[str, Any]) -> Section:
    """Return the most frequent tokens, and the unknown tokens and truncated texts of each part."""
    layout, vocabulary = data.layout, data.vocabulary
    known = vocabulary.iloc[len(SPECIAL) :]
    note = f"{len(known):,} tokens ({layout.level}s), fitted on the training set; all other tokens are unknown."
    if (vectors := data.shape.vectors) is not None:
        share = vectors.any(axis=1).sum() / len(known)
        note += f" {share:.0%} of them have a pretrained vector."
    parts = [
        [PART_NAMES[part], f"{rate:.2%}", f"{summary['cut'][part]:,}", f"{summary['empty'][part]:,}"]
        for part, rate in summary["unknown"].items()
    ]
    by_part = Table("Tokens by part", ["part", "unknown tokens", "truncated texts", "texts without tokens"], parts)
    return Section("Vocabulary", note, tables=[by_part, frequent_tokens(known, 30)])


def frequent_tokens(vocabulary: pd.DataFrame, limit: int) -> Table:
    """Return a table of the most frequent tokens; of equally frequent ones, those with lower ids first."""
    frequent = vocabulary.sort_values("count", ascending=False, kind="stable").head(limit)
    columns = [frequent["token"].map(visible), frequent["count"].map("{:,}".format)]
    return Table.of_columns("Most frequent tokens in the training set", ["token", "count"], columns)


def lengths_figure(index: pd.DataFrame, cut: int) -> "Figure":
    """Plot a histogram of text lengths for each part and mark where longer texts are truncated.

    The longest 1 % of the texts are in the last bin.
    """
    figure, (axes,) = canvas(2.6)
    end = max(2, int(index["tokens"].quantile(0.99, interpolation="higher")))
    edges = np.unique(np.linspace(0, end + 1, 41).astype(int)).tolist()
    for part, colour in zip(PARTS, (MODEL, BASELINE, ACCENT), strict=True):
        tokens = index.loc[index["part"] == part, "tokens"].clip(upper=end).to_numpy()
        if len(tokens):
            style: Any = {"histtype": "step", "color": colour, "label": PART_NAMES[part], "linewidth": 1.4}
            axes.hist(tokens, edges, weights=np.full(len(tokens), 1 / len(tokens)), **style)
    if cut <= end and cut < index["tokens"].max():
        axes.axvline(cut, color=TRUTH, linewidth=0.8, linestyle="--", label=f"truncated at {cut:,}")
    axes.set_xlabel("tokens per text")
    axes.set_ylabel("share of texts")
    legend(axes)
    return figure


def embedding_figure(positions: pd.DataFrame, classes: list[str], shares: list[float]) -> "Figure":
    """Plot the columns `token`, `x` and `y`, coloured by `class`; `shares` are the explained variance of x and y."""
    figure, (axes,) = canvas(6.5)
    for at, name in enumerate(classes):
        own = positions[positions["class"] == name]
        colour = _COLOURS[min(at, len(_COLOURS) - 1)]
        if len(own):
            axes.plot(own["x"], own["y"], "o", color=colour, markersize=3, label=shorten(name, 24))
    style: Any = {"textcoords": "offset points", "fontsize": 7, "color": text_color(axes), "parse_math": False}
    for token, x, y in positions[["token", "x", "y"]].itertuples(index=False):
        axes.annotate(shorten(visible(token), 20), (x, y), (2, 2), **style)
    axes.set_xlabel(f"first component, {shares[0]:.0%} of the variance")
    axes.set_ylabel(f"second component, {shares[1]:.0%}")
    if len(classes) <= len(_COLOURS):
        legend(axes)
    return figure
