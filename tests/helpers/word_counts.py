"""A domain of one stage, which counts words: as small as a domain can be."""

from pathlib import Path
from typing import Any

from gristmill.settings.arrivals import Arrivals
from gristmill.settings.base import Settings
from gristmill.settings.data_schema import Expectations
from gristmill.settings.domain import Domain, Options
from gristmill.settings.kinds import Kinds
from gristmill.settings.schedule import Gate, Schedule
from gristmill.settings.stage import Stage
from gristmill.util.lazy import Lazy


class Ingest(Settings):
    """Which words count."""

    shortest: int = 1  # letters


def ingest(source: Any, ingest: Ingest, paths: tuple[Path, ...], out: Path) -> dict[str, int]:
    """Write the number of words."""
    words = [word for path in paths for word in path.read_text().split() if len(word) >= ingest.shortest]
    (out / "count.txt").write_text(str(len(words)))
    return {"words": len(words)}


COUNTS = Domain(
    name="word_counts",
    tables={
        "source": Kinds(("gristmill.sources.documents",)),
        "ingest": Ingest,
        "arrivals": Arrivals,
        "gate": Gate,
        "schedule": Schedule,
    },
    schema=Expectations,
    stages=(Stage("ingest", "helpers.word_counts:ingest", ("source", "ingest"), (), ()),),
    presets=Lazy("helpers.word_counts:none"),
    propose_pipeline=Lazy("helpers.word_counts:none"),
    propose_schema=Lazy("helpers.word_counts:none"),
    few_examples=Lazy("helpers.word_counts:none"),
    report=Lazy("helpers.word_counts:none"),
    retraining=Lazy("gristmill.domains.generation.retraining:RETRAINING"),
    requests=Lazy("gristmill.domains.generation.generate:REQUESTS"),
    predict_options=Options,
)
