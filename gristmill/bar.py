"""Training as it goes: a bar on a terminal, a line now and then elsewhere."""

import contextlib
import logging
from collections.abc import Iterator

from gristmill import console, progress, screen
from gristmill.epoch import Epoch

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def epochs() -> Iterator[None]:
    """Draw training as it goes."""
    if not console.err().is_terminal or screen.is_quiet():
        with progress.listening(_tell_epoch):
            yield
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=console.err(), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def draw(pipeline: str, epoch: Epoch) -> None:
            if pipeline not in tasks:
                tasks[pipeline] = bar.add_task("train", total=epoch.of, losses="")
            bar.update(tasks[pipeline], completed=epoch.number, losses=_losses(epoch))

        with progress.listening(draw):
            yield


def _tell_epoch(pipeline: str, epoch: Epoch) -> None:
    if epoch.number in (1, epoch.of) or epoch.number % max(1, epoch.of // 10) == 0:
        logger.info("train      epoch %d of %d, %s", epoch.number, epoch.of, _losses(epoch))


def _losses(epoch: Epoch) -> str:
    return f"loss {epoch.loss:.4g}" + (f", validation {epoch.val_loss:.4g}" if epoch.val_loss is not None else "")
