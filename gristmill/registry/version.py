"""Version of a pipeline's model in the registry."""

from datetime import datetime
from typing import Any

from gristmill.registry.ledger import Entry
from gristmill.registry.lineage import Git
from gristmill.runs.records import DomainName
from gristmill.settings.messages import format_numbers
from gristmill.store.artifact import Reference
from gristmill.util.ranking import rank


class Version(Entry):
    """An exported model with its scores, origin, and the settings, libraries and artifacts of its run."""

    domain: DomainName
    run: str  # id of the run's record
    settings: dict[str, Any]
    overrides: list[str]
    references: dict[str, Reference]  # by stage, or by label for a stage that fans out
    scores: dict[str, Any]  # of the bundle: model, baselines, headline
    versions: dict[str, str]  # of libraries
    git: Git
    code: dict[str, str]  # digest of the code that each stage's result depends on
    made: datetime  # when it was registered
    decision: dict[str, Any]  # verdict, reason, and findings of a retraining

    @property
    def loses_to_baseline(self) -> str | None:
        """Sentence on a baseline with a better test score; None if there is none."""
        headline, name = self.scores["headline"], self.scores["best_baseline"]
        higher = headline.get("higher_is_better", False)
        if rank(headline["model"], higher) <= rank(headline["baseline"], higher):
            return None
        model, baseline = format_numbers([headline["model"], headline["baseline"]])
        return f"loses to the baseline {name}: {headline['metric']} {model} against {baseline} on the test part"
