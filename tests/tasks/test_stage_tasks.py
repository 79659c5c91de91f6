"""Steps of a flow: when the process that verifies the export starts."""

from types import SimpleNamespace
from typing import Any

import pytest

from gristmill.export import bundle
from gristmill.tasks.stage_tasks import prestart_parity_check
from helpers.support import here


@pytest.mark.parametrize(
    ("cached", "more", "ahead"), [(False, (), True), (True, (), False), (False, ("refit",), False)]
)
def test_the_proof_starts_before_the_evaluation_of_a_model_that_was_trained(
    monkeypatch: pytest.MonkeyPatch, cached: bool, more: tuple[str, ...], ahead: bool
) -> None:
    monkeypatch.setattr(bundle, "fresh_process", here)
    stages = {name: SimpleNamespace(name=name) for name in ("train", *more)}
    recorded = SimpleNamespace(stages={"train": SimpleNamespace(cached=cached)})
    run: Any = SimpleNamespace(stages=stages, record=lambda: recorded)

    with prestart_parity_check(run):
        assert bool(bundle._prestarted) is ahead
    assert not bundle._prestarted
