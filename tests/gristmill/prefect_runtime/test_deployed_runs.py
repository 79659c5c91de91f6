"""Runs of a deployment that wait for their turn; the server is replaced."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from gristmill.prefect_runtime import deployed_runs as module


def test_only_due_runs_with_the_same_parameters_are_cancelled_and_coming_ones_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    custom = {"pipeline": "small", "overrides": ["train.epochs=1"]}
    own, alike, other = (
        FlowRun(flow_id=uuid4(), deployment_id=uuid4(), parameters=parameters, name="retrain small")
        for parameters in ({"pipeline": "small"}, {"pipeline": "small"}, custom)
    )
    coming = FlowRun(flow_id=uuid4(), name="bold-fox", auto_scheduled=True)
    cancelled: list[UUID] = []
    named: list[tuple[UUID, str]] = []
    client: Any = SimpleNamespace(
        read_flow_runs=lambda flow_run_filter, **only_scheduled: [other, coming] if only_scheduled else [alike, other],
        update_flow_run=lambda run, name: named.append((run, name)),
        set_flow_run_state=lambda run, state: cancelled.append(run),
    )
    monkeypatch.setattr(module, "get_client", lambda sync_client: nullcontext(client))
    monkeypatch.setattr(module, "_own_run", lambda: own)

    module.cancel_waiting_runs()

    assert cancelled == [alike.id]
    assert named == [(coming.id, "retrain small")]
