"""The receiver of messages: an address in a variable or a block of Prefect, and what is said where it fails."""

from pathlib import Path

import pytest

from gristmill.errors import RequestError, WorkError
from gristmill.prefect_runtime.message_receiver import open_receiver
from gristmill.settings.file_tables import Notify
from helpers.support import Command, edit
from helpers.webhook import SECRET, TABLE, Webhook

pytest_plugins = ["helpers.end_to_end", "helpers.webhook"]

ADDRESS = Notify(url_env="OPS_URL")
SERVICES = "https://appriseit.com/services/."


def test_a_message_goes_to_the_address_in_the_variable(webhook: Webhook) -> None:
    receiver = open_receiver(ADDRESS)
    receiver.send("subject", "first line\nsecond line")
    assert (receiver.name, webhook.received) == ("OPS_URL (JSON)", [("subject", "first line\nsecond line")])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", f"is not set. Set it to an apprise URL where runs start: {SERVICES}"),
        ("nowhere://x", f"does not hold an apprise URL. Use one of these: {SERVICES}"),
    ],
)
def test_a_variable_without_an_address_is_an_error(monkeypatch: pytest.MonkeyPatch, url: str, said: str) -> None:
    monkeypatch.setenv("OPS_URL", url)
    with pytest.raises(RequestError) as refused:
        open_receiver(ADDRESS)
    assert str(refused.value) == f"[notify] url_env: the environment variable OPS_URL {said}"


def test_a_receiver_that_cannot_be_reached_is_named_without_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_URL", f"json://127.0.0.1:9/{SECRET}")
    with pytest.raises(WorkError) as refused:
        open_receiver(ADDRESS).send("subject", "body")
    assert str(refused.value) == (
        "[notify] OPS_URL (JSON): it was not reached, or refused the message. Check it: gristmill doctor --notify."
    )


@pytest.mark.parametrize("kind", ["slack-webhook", "custom-webhook"])
def test_a_message_goes_to_a_notification_block(prefect_api: str, webhook: Webhook, kind: str) -> None:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
    from pydantic import SecretStr

    if kind == "slack-webhook":
        SlackWebhook(url=SecretStr(webhook.url)).save("receiver", overwrite=True)
    else:
        body = {"title": "{{subject}}", "message": "{{body}}"}
        url = webhook.url.replace("json", "http", 1)
        CustomWebhookNotificationBlock(name="receiver", url=url, json_data=body).save("receiver", overwrite=True)

    receiver = open_receiver(Notify(block=f"{kind}/receiver"))
    receiver.send("subject", "body")

    assert webhook.received == [("subject", "body")]
    webhook.status = 401
    with pytest.raises(WorkError) as refused:
        receiver.send("subject", "body")
    assert str(refused.value) == f"[notify] {kind}/receiver: HTTP status 401. Check it: gristmill doctor --notify."


def test_a_block_with_an_invalid_address_is_named_without_it(prefect_api: str) -> None:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    block = CustomWebhookNotificationBlock(
        name="ops", url="http://secret.example:port/", json_data={"text": "{{body}}"}
    )
    block.save("invalid", overwrite=True)
    with pytest.raises(WorkError) as refused:
        open_receiver(Notify(block="custom-webhook/invalid")).send("subject", "body")

    assert str(refused.value) == (
        "[notify] custom-webhook/invalid: it was not reached, or refused the message. "
        "Check it: gristmill doctor --notify."
    )


def test_what_is_no_notification_block_is_an_error(prefect_api: str) -> None:
    from prefect.blocks.system import Secret

    Secret(value="any").save("any", overwrite=True)
    for name in ("secret/any", "slack-webhook/unknown", "unknown/any"):
        with pytest.raises(RequestError) as refused:
            open_receiver(Notify(block=name))
        assert str(refused.value) == (
            f"[notify] block: {name!r} is not a Prefect notification block. Use one of these, TYPE/NAME: "
            "prefect block ls."
        )


def test_doctor_checks_the_receiver_and_sends_a_test_message(project: Path, command: Command, webhook: Webhook) -> None:
    def line(*options: str) -> str:
        return next(line for line in command("doctor", *options).out.splitlines() if " notify " in line)

    assert line().split(maxsplit=2) == ["–", "notify", "no table [notify]: no messages are sent"]
    assert line("--notify").startswith("no")
    with (project / "pipelines.toml").open("a") as file:
        file.write(TABLE)
    assert line().split(maxsplit=2) == ["ok", "notify", "OPS_URL (JSON)"]
    assert line("--notify").split(maxsplit=2) == ["ok", "notify", "OPS_URL (JSON), test message sent"]
    assert webhook.subjects == ["gristmill: test"]
    edit(project / "pipelines.toml", "OPS_URL", "NOT_SET")
    assert line().startswith("no")
