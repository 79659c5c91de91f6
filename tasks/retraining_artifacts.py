"""Artifacts and records of a retraining, which its steps share."""

from collections.abc import Mapping
from pathlib import Path

from gristmill.config.catalogue import restore_settings
from gristmill.errors import CorruptArtifact, WorkError
from gristmill.registry.version import Version
from gristmill.retraining.notification_delivery import deliver
from gristmill.runs.retraining_record import Champion, Retraining
from gristmill.store.artifact import Reference
from tasks.run import Run

References = Mapping[str, Reference]


def champion_data(run: Run, version: Version) -> Champion:
    return Champion(version_folders(run, version), restore_settings(version.domain, version.settings))


def artifact_folders(run: Run, made: References) -> dict[str, Path]:
    """Return the folders of artifacts by label; that of train is the selected model's, if there were candidates."""
    folders = {label: artifact_folder(run, reference) for label, reference in made.items()}
    return folders | ({"train": folders["select"]} if "select" in folders else {})


def artifact_folder(run: Run, reference: Reference) -> Path:
    return run.store.open_verified(reference).path


def version_folders(run: Run, version: Version) -> dict[str, Path]:
    """Return the folders of a version's artifacts; the export is its registered bundle."""
    try:
        others = {label: reference for label, reference in version.references.items() if label != "export"}
        return artifact_folders(run, others) | {"export": run.registry.bundle(version)}
    except CorruptArtifact as damage:
        raise WorkError(
            f"{damage} It belongs to version {version.number}, with which new data is compared. Run {version.pipeline} "
            f"and promote that model: gristmill promote {version.pipeline}."
        ) from None


def record_retraining(run: Run, found: Retraining) -> Retraining:
    """Save the state of the retraining in the run's record, and send the messages that follow from it."""
    run.update_record(retraining=found)
    deliver(run.catalogue)
    return found
