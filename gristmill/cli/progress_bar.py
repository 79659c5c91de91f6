"""Progress display of a command: a transient line on a terminal, plain log lines elsewhere."""

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gristmill.cli import console
from gristmill.settings.number_text import format_number
from gristmill.training import progress
from gristmill.training.progress import Epoch

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.progress import Progress, TaskID

logger = logging.getLogger(__name__)

PATIENCE = 0.7  # seconds before a usually quick block is shown on a terminal


@contextlib.contextmanager
def working(what: str = "", how: str = "started") -> Iterator[None]:
    """Show the work within the block, as `progress` reports it.

    Pass `what` for a block that is usually quick: it is shown only on a terminal, and only after `PATIENCE`.
    """
    line = _Line()
    late = threading.Timer(PATIENCE, line.work_late, (what, how))
    with progress.listening(line), contextlib.closing(line):
        if what:
            late.start()
        try:
            yield
        finally:
            late.cancel()
            if what:
                late.join()


class _Line:
    """The last line of a terminal, or lines of the log. Rich is imported on first use."""

    def __init__(self) -> None:
        self._has_begun = False  # whether any work was shown
        self._live: Live | None = None
        self._bars: Progress | None = None  # of the current training
        self._tasks: dict[str, TaskID] = {}  # the bar of each pipeline

    def work(self, what: str, state: str, logged: bool) -> None:
        """Show that work has started."""
        self._has_begun, self._bars = True, None
        if _is_drawn():
            from rich.spinner import Spinner

            self._draw(Spinner("dots", f"{what:<10} {state}"))
        elif logged:
            logger.info("%-10s %s", what, state)

    def work_late(self, what: str, how: str) -> None:
        """Show work that started earlier, unless other work has been shown since."""
        if not self._has_begun:
            self.work(what, how, logged=False)

    def epoch(self, pipeline: str, epoch: Epoch) -> None:
        """Show that a pipeline's training finished an epoch."""
        validation = f", validation {format_number(epoch.val_loss)}" if epoch.val_loss is not None else ""
        losses = f"loss {format_number(epoch.loss)}{validation}"
        if not _is_drawn():
            if epoch.number in (1, epoch.of) or epoch.number % max(1, epoch.of // 10) == 0:
                logger.info("train      epoch %d of %d, %s", epoch.number, epoch.of, losses)
            return
        if self._bars is None:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            counts = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[losses]}"), TimeRemainingColumn())
            self._bars, self._tasks = Progress(TextColumn("{task.description}"), *counts, console=console.err()), {}
        if pipeline not in self._tasks:
            self._tasks[pipeline] = self._bars.add_task("train", total=epoch.of, losses="")
        self._bars.update(self._tasks[pipeline], completed=epoch.number, losses=losses)
        self._draw(self._bars)

    def close(self) -> None:
        """Remove the line."""
        if self._live:
            self._live.stop()

    def _draw(self, shown: "RenderableType") -> None:
        from rich.live import Live

        if self._live is None:
            self._live = Live(shown, console=console.err(), transient=True)
            self._live.start(refresh=True)
        elif self._live.renderable is not shown:
            self._live.update(shown, refresh=True)


def _is_drawn() -> bool:
    return not console.is_quiet() and sys.stderr.isatty() and console.err().is_interactive
