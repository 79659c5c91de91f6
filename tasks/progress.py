"""Training's progress, epoch by epoch, in Prefect's page and to listeners in this process."""

import time
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from gristmill import progress
from gristmill.progress import Epoch

_PAUSE = 1.0  # seconds between updates of the page; each costs about 10 ms, which fast epochs would feel


class EpochProgress:
    """Called after each epoch."""

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline
        self._artifact: UUID | None = None
        self._shown = 0.0

    def __call__(self, epoch: Epoch) -> None:
        progress.tell(self._pipeline, epoch)
        now = time.monotonic()
        if TaskRunContext.get() is not None and (now - self._shown >= _PAUSE or epoch.number == epoch.of):
            self._show(epoch)
            self._shown = now

    def _show(self, epoch: Epoch) -> None:
        done, text = (
            100 * epoch.number / epoch.of,
            f"{self._pipeline}: epoch {epoch.number} of {epoch.of}, loss {epoch.loss:.4g}",
        )
        if self._artifact is None:
            self._artifact = create_progress_artifact(
                done, _sync=True, key=f"{self._pipeline.replace('_', '-').lower()}-training", description=text
            )
        else:
            update_progress_artifact(self._artifact, done, description=text)
