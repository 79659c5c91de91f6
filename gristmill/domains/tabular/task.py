"""The task of a table: to predict a number, or a class."""

from typing import TYPE_CHECKING, Literal

from gristmill.errors import RequestError

if TYPE_CHECKING:
    from gristmill.domains.tabular.dataset import Prepared


def check_task(data: "Prepared", task: Literal["regression", "classification"], kind: str, other: str) -> None:
    """Raise a `RequestError` if a kind of model is not for the task of the data; `other` is the kind that is."""
    given = "classification" if data.layout.classes else "regression"
    if given != task:
        raise RequestError(
            f"model.kind = {kind!r} is for {task}, but ingest.task is {given!r}. Use {other!r}, or another target."
        )
