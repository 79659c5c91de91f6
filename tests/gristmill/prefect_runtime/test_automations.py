"""What looks after runs on a Prefect server: automations that are made once and keep what somebody made of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CancelFlowRun, ChangeFlowRunState, DoNothing
from prefect.events.schemas.automations import AutomationCore

from gristmill.errors import RequestError
from gristmill.prefect_runtime.automations import end_silent_runs, plan_late_runs


@pytest.fixture
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def watch_for_late_runs(client: SyncPrefectClient, pool: str, block: str | None = None) -> None:
    if change := plan_late_runs(client, pool, block):
        change.apply(client)


def raw(client: SyncPrefectClient) -> list[dict[str, Any]]:
    """Return the automations with the times at which they were changed."""
    found: list[dict[str, Any]] = client.request("POST", "/automations/filter", json={}).json()
    return found


@pytest.mark.fault(30)
def test_a_run_of_ours_that_is_silent_is_ended_and_no_other(client: SyncPrefectClient) -> None:
    end_silent_runs(client)
    (made,) = client.read_automations_by_name("gristmill: silent runs")
    trigger: Any = made.trigger
    assert trigger.match_related.model_dump() == {
        "prefect.resource.id": "prefect.tag.gristmill",
        "prefect.resource.role": "tag",
    }
    assert (trigger.after, trigger.within.total_seconds()) == ({"prefect.flow-run.heartbeat"}, 90)
    assert trigger.expect > {"prefect.flow-run.heartbeat", "gristmill.run.ended"}
    assert made.actions == [
        ChangeFlowRunState(state=StateType.CRASHED, message="No heartbeat for 90 s: its process has ended.")
    ]


def test_what_is_as_it_should_be_is_not_touched_for_it_would_forget_what_it_counted(client: SyncPrefectClient) -> None:
    end_silent_runs(client)
    watch_for_late_runs(client, "pool")
    before = raw(client)
    end_silent_runs(client)
    watch_for_late_runs(client, "pool")
    assert raw(client) == before


def test_what_somebody_made_of_it_is_kept_and_the_rest_renewed(client: SyncPrefectClient) -> None:
    watch_for_late_runs(client, "kept")
    (made,) = client.read_automations_by_name("gristmill: late runs in kept")
    assert made.actions == [DoNothing()]
    changed = made.model_dump(mode="json", exclude={"id", "owner_resource"}) | {
        "enabled": False,
        "description": "old",
        "actions": [{"type": "cancel-flow-run"}],
    }
    client.update_automation(made.id, AutomationCore.model_validate(changed))
    watch_for_late_runs(client, "kept")
    (kept,) = client.read_automations_by_name("gristmill: late runs in kept")
    assert (kept.enabled, kept.actions) == (False, [CancelFlowRun()])
    assert kept.description == "The work pool kept has had no worker for 10 minutes. Its runs wait for one."


def test_actions_that_somebody_has_added_are_kept_and_the_own_one_is_renewed(client: SyncPrefectClient) -> None:
    end_silent_runs(client)
    (made,) = client.read_automations_by_name("gristmill: silent runs")
    (own,) = made.actions
    values = made.model_dump(mode="json", exclude={"id", "owner_resource"})
    changed = [{"type": "cancel-flow-run"}, own.model_dump(mode="json") | {"message": "old"}]
    client.update_automation(made.id, AutomationCore.model_validate(values | {"actions": changed}))
    end_silent_runs(client)
    (kept,) = client.read_automations_by_name("gristmill: silent runs")
    assert kept.actions == [own, CancelFlowRun()]
    client.update_automation(made.id, AutomationCore.model_validate(values))


def test_of_two_deploys_at_once_one_automation_remains(client: SyncPrefectClient) -> None:
    first, second = (plan_late_runs(client, "twice") for _ in range(2))
    assert first
    assert second
    first.apply(client)
    second.apply(client)
    assert len(client.read_automations_by_name("gristmill: late runs in twice")) == 1


def test_a_block_is_told(client: SyncPrefectClient) -> None:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    CustomWebhookNotificationBlock(name="ops", url="https://example.org").save("ops")
    watch_for_late_runs(client, "watched", "custom-webhook/ops")
    (made,) = client.read_automations_by_name("gristmill: late runs in watched")
    (action,) = made.actions
    assert action.type == "send-notification"
    assert action.body == (
        "The work pool watched has had no worker for 10 minutes, so its runs are late. "
        "Start one: prefect worker start --pool watched"
    )


def test_an_unknown_block_to_notify_is_told(client: SyncPrefectClient) -> None:
    with pytest.raises(RequestError) as refused:
        watch_for_late_runs(client, "pool", "slack-webhook/ops")
    assert str(refused.value) == (
        "[notify] block: 'slack-webhook/ops' is not a Prefect notification block. Use one of these, TYPE/NAME: "
        "prefect block ls."
    )
