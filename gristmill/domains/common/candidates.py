"""Artifacts of candidates: their fitted models and held-out predictions, as `select` and `evaluate` read them.

Each artifact of a candidate has a `candidate.json`: its settings, whether it is a baseline, whether it is constant, and
why it failed, if so.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gristmill.errors import GristmillError, Unsuitable
from gristmill.settings.base import Settings
from gristmill.settings.custom_code import CustomCode, is_custom
from gristmill.settings.kinds import names_of, settings_of
from gristmill.util.table_io import read_document, write_document

S = TypeVar("S", bound=Settings)
T = TypeVar("T")

FILE = "candidate.json"
SELECTION_FILE = "selection.json"  # in the artifact of select


@dataclass(frozen=True)
class CandidateArtifacts:
    """Folders of one candidate."""

    train: Path
    backtest: tuple[Path, ...] = ()  # one for each block and seed

    @property
    def document(self) -> dict[str, Any]:
        """Content of `candidate.json`: `settings` by table, `baseline`, `constant`, and `failed`, a reason or None."""
        return dict(read_document(self.train / FILE))

    @property
    def training(self) -> dict[str, Any]:
        """Content of `training.json`, such as the best epoch."""
        return dict(read_document(self.train / "training.json"))

    @property
    def failed(self) -> str | None:
        """Why the candidate failed, in training or in a block of the backtest; None if it did not."""
        reasons = (read_document(folder / FILE)["failed"] for folder in (self.train, *self.backtest))
        return next(filter(None, reasons), None)

    @property
    def is_baseline(self) -> bool:
        """Whether it is a cheap model to compare others with."""
        return bool(self.document["baseline"])

    @property
    def is_constant(self) -> bool:
        """Whether its predictions are the same for all inputs, so that it is never a member of an average."""
        return bool(self.document.get("constant", False))  # missing in artifacts of earlier releases


def succeeded(candidates: Mapping[str, CandidateArtifacts]) -> dict[str, CandidateArtifacts]:
    """Return the candidates that did not fail."""
    return {name: candidate for name, candidate in candidates.items() if candidate.failed is None}


def missing_baselines(baselines: Iterable[Any], candidates: Mapping[str, CandidateArtifacts]) -> list[Any]:
    """Return the baselines that are not among the candidates."""
    models = [candidate.document["settings"]["model"] for candidate in candidates.values()]
    return [baseline for baseline in baselines if baseline.model_dump(mode="json") not in models]


def fit_baselines(
    baselines: Sequence[Any], fit: Callable[[Any], T], reserved_names: Iterable[str] = ()
) -> dict[str, T]:
    """Fit baselines; return the results by name (`names_of`), without unsuitable baselines.

    `reserved_names` are those of other forecasters.
    """
    fitted: dict[str, T] = {}
    for name, baseline in zip(names_of(baselines, reserved_names), baselines, strict=True):
        with suppress(Unsuitable):
            fitted[name] = fit(baseline)
    return fitted


def read_selection(folder: Path) -> dict[str, Any] | None:
    """Return the content of `selection.json`: `members`, `metric`, `on`, `loss`; None for a single model."""
    return read_document(folder / SELECTION_FILE) if (folder / SELECTION_FILE).exists() else None


def candidate_settings(settings: Mapping[str, Any], domain: str, train: type[S]) -> tuple[Any, S]:
    """Return model and training settings of a candidate from the values in its `candidate.json`."""
    kind, package = settings["model"]["kind"], f"gristmill.domains.{domain}.models"
    model = CustomCode if is_custom(kind) else settings_of(kind, package)
    return model.model_validate(settings["model"]), train.model_validate(settings["train"])


def write_candidate(settings: Mapping[str, Settings], out: Path, failure: GristmillError | None = None) -> None:
    """Write `candidate.json` into the folder of an artifact."""
    values = {
        "settings": {name: table.model_dump(mode="json") for name, table in settings.items()},
        "baseline": bool(getattr(settings["model"], "baseline", False)),
        "constant": settings["model"].constant,
        "failed": None if failure is None else " ".join(str(failure).split()),
    }
    write_document(out / FILE, values)
