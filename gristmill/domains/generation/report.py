"""Report on a generation pipeline: scores, samples, bits along the test set, training, network and data."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from gristmill.domains.generation import dataset
from gristmill.domains.generation.dataset import PARTS, Prepared
from gristmill.domains.generation.scores import GenerationScores
from gristmill.domains.text.report import frequent_tokens
from gristmill.reports.learning import network_section, training_sections
from gristmill.reports.pictures import BASELINE, MODEL, as_png, as_svg, canvas, legend
from gristmill.reports.scores import PART_NAMES, metric_name, scores_section
from gristmill.reports.sections import Passage, Section, Table
from gristmill.scores import Scores
from gristmill.settings.number_text import MISSING
from gristmill.util.table_io import read_document, read_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = {name: metric_name(name) for name in ("bits_per_character", "bits_per_token", "perplexity", "accuracy")}
_MAX_POINTS = 200


def sections(folders: dict[str, Path]) -> Iterator[Section]:
    """Yield the sections of the report, given the folders of a run's artifacts."""
    scores = GenerationScores.read(folders["evaluate"])
    yield scores_section(scores, METRICS, "The baselines count n-grams in the training and the validation set.")
    yield samples_section(read_table(folders["evaluate"] / "samples.parquet"))
    yield bits_section(folders["evaluate"], scores)
    yield from training_sections(folders["train"])
    yield network_section(folders["evaluate"])
    unknown = read_document(folders["preprocess"] / "summary.json")["unknown"]
    yield data_section(dataset.read(folders["preprocess"]), scores, unknown)


def headline_picture(folders: dict[str, Path]) -> bytes:
    """Return the bits along the test set as a PNG, from the folder of `evaluate`."""
    best = Scores.read(folders["evaluate"]).best_baseline
    return as_png(bits_figure(read_table(folders["evaluate"] / "bits.parquet", part="test"), best))


def samples_section(samples: pd.DataFrame) -> Section:
    """Return the generated text at each temperature."""
    prompt = samples["prompt"].iloc[0]
    note = (
        f"Each sample continues the same {len(prompt):,} characters. A lower temperature prefers more probable tokens."
    )
    titles = samples["temperature"].map("Temperature {:g}".format)
    passages = map(Passage, titles, samples["text"])
    return Section("Samples", note, passages=[Passage("Prompt", prompt), *passages])


def bits_section(evaluated: Path, scores: GenerationScores) -> Section:
    """Return the bits per token along the test set."""
    bits, best = read_table(evaluated / "bits.parquet", part="test"), scores.best_baseline
    better = (bits["model"] < bits[best]).mean()
    note = f"Means of up to 1,000 tokens; the model needs fewer bits than {best} in {better:.0%} of them."
    picture = as_svg(bits_figure(bits, best), f"Bits per token along the test set, of the model and {best}")
    return Section("Bits along the test set", note, [picture])


def data_section(data: Prepared, scores: GenerationScores, unknown: dict[str, float]) -> Section:
    """Return the size of each part and the most frequent tokens."""
    layout = data.layout
    examples = "windows of the stream" if layout.after_each else "prefixes of lines"
    note = (
        f"The vocabulary has {layout.vocabulary:,} {layout.level}s, including padding and unknown. The network reads "
        f"{examples} of up to {layout.length} tokens."
    )
    rows = [
        [
            PART_NAMES[part],
            f"{layout.characters[part]:,}",
            f"{layout.tokens[part]:,}",
            f"{unknown[part]:.2%}",
            f"{scores.tokens[part]:,}" if part in scores.tokens else MISSING,
        ]
        for part in PARTS
    ]
    by_part = Table("", ["part", "characters", "tokens", "unknown", "predicted tokens"], rows)
    return Section("Data", note, tables=[by_part, frequent_tokens(data.vocabulary, 20)])


def bits_figure(bits: pd.DataFrame, best: str) -> "Figure":
    """Plot the bits per token, by `position`, of the model and its best baseline."""
    rows_per_point = -(-len(bits) // _MAX_POINTS)
    means = bits[["position", "model", best]].groupby(bits.index // rows_per_point).mean()
    figure, (axes,) = canvas(2.6)
    axes.plot(means["position"], means[best], color=BASELINE, label=best)
    axes.plot(means["position"], means["model"], color=MODEL, label="model")
    axes.set_xlabel("position in the test set (tokens)")
    axes.set_ylabel("bits per token")
    legend(axes)
    return figure
