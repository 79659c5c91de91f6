"""Version of a pipeline's model in the registry."""

from datetime import datetime
from typing import Any

from gristmill.registry.ledger import Entry
from gristmill.registry.lineage import Git
from gristmill.runs.records import DomainName
from gristmill.runs.scores import Scores
from gristmill.settings.messages import format_numbers
from gristmill.store.artifact import Reference


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
    def evaluated(self) -> Scores:
        """The scores as a typed object."""
        return Scores.model_validate(self.scores)

    @property
    def loses_to_baseline(self) -> str | None:
        """Comparison with the best baseline on the test set where that is better; None otherwise."""
        scores = self.evaluated
        model_rank, baseline_rank = scores.headline.ranks
        if model_rank <= baseline_rank:
            return None
        model, baseline = format_numbers([scores.headline.model, scores.headline.baseline])
        return (
            f"loses to the baseline {scores.best_baseline}: {scores.metric} {model} against {baseline} on the test set"
        )
