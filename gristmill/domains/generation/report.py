"""What a report on a network that writes shows: scores, samples, where the text is hard, training, network, data."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from gristmill.domains.generation import dataset, plots
from gristmill.domains.generation.dataset import PARTS, Prepared
from gristmill.domains.generation.scores import GenerationScores
from gristmill.domains.text.projector import visible
from gristmill.reports.learning import network_section, training_sections
from gristmill.reports.pictures import as_png, as_svg
from gristmill.reports.scores import scores_section
from gristmill.reports.sections import Passage, Section, Table
from gristmill.runs.scores import Scores
from gristmill.settings.messages import MISSING
from gristmill.util.table_io import read_table

METRICS = {
    "bits_per_character": "bits a character",
    "bits_per_token": "bits a token",
    "perplexity": "perplexity",
    "accuracy": "next token right",
}

_FITTED = (
    "The baselines count in the training set; how far they lean on shorter contexts is chosen on the validation set."
)
_FREQUENT = 20  # tokens that are listed


def sections(folders: dict[str, Path]) -> Iterator[Section]:
    """Yield the sections of a report from the folders of a run's artifacts."""
    scores = GenerationScores.read(folders["evaluate"])
    yield scores_section(scores, METRICS, _FITTED)
    yield samples_section(read_table(folders["evaluate"] / "samples.parquet"))
    yield bits_section(folders["evaluate"], scores)
    yield from training_sections(folders["train"])
    yield network_section(folders["evaluate"])
    yield data_section(dataset.read(folders["preprocess"]), scores)


def headline_picture(folders: dict[str, Path]) -> bytes:
    """Return the bits along the test part as a PNG, from the folder of `evaluate` alone."""
    best = Scores.read(folders["evaluate"]).best_baseline
    return as_png(plots.bits_figure(test_bits(folders["evaluate"]), best))


def samples_section(samples: pd.DataFrame) -> Section:
    """Return what the model wrote at each temperature."""
    prompt = samples["prompt"].iloc[0]
    note = f"Each goes on from the same {len(prompt):,} characters. The lower the temperature, the likelier each token."
    passages = [
        Passage(f"Temperature {temperature:g}", text)
        for temperature, text in zip(samples["temperature"], samples["text"], strict=True)
    ]
    return Section("Samples", note, passages=[Passage("Prompt", prompt), *passages])


def bits_section(evaluated: Path, scores: GenerationScores) -> Section:
    """Return how hard the test part is from its beginning to its end."""
    bits, best = test_bits(evaluated), scores.best_baseline
    better = (bits["model"] < bits[best]).mean()
    note = f"Means of up to 1,000 tokens; the model takes fewer bits than {best} in {better:.0%} of them."
    return Section("Along the test part", note, [as_svg(plots.bits_figure(bits, best))])


def test_bits(evaluated: Path) -> pd.DataFrame:
    """Return the rows of the test part of `bits.parquet`."""
    bits = read_table(evaluated / "bits.parquet")
    return bits[bits["part"] == "test"].reset_index(drop=True)


def data_section(data: Prepared, scores: GenerationScores) -> Section:
    """Return how much text each part holds, and the most frequent tokens."""
    layout = data.layout
    seen = "windows of the stream" if layout.after_each else "the beginnings of lines"
    note = (
        f"A vocabulary of {layout.vocabulary:,} {layout.level}s, padding and unknown among them; the network is shown "
        f"{seen}, of {layout.length} tokens at most."
    )
    unknown = data.unknown
    rows = [
        [
            part,
            f"{layout.characters[part]:,}",
            f"{layout.tokens[part]:,}",
            f"{unknown[part]:.2%}",
            f"{scores.tokens[part]:,}" if part in scores.tokens else MISSING,
        ]
        for part in PARTS
    ]
    vocabulary = data.vocabulary.nlargest(_FREQUENT, "count", keep="all").head(_FREQUENT)
    frequent = [
        [visible(name), f"{count:,}"] for name, count in zip(vocabulary["token"], vocabulary["count"], strict=True)
    ]
    tables = [
        Table("", ["part", "characters", "tokens", "unknown", "tokens told"], rows),
        Table("Most frequent tokens of the training part", ["token", "count"], frequent),
    ]
    return Section("Data", note, tables=tables)
