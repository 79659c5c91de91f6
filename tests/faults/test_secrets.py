"""Secrets in URLs of `pipelines.toml`: refused with the table and key, and nowhere shown or kept."""

from pathlib import Path

import pytest

from helpers.scoreboard import Fault
from helpers.support import Command, edit, unnumbered

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.fault(29), pytest.mark.slow]

SHA256 = f'"\nsha256 = "{"ab" * 32}'
URLS = {
    "https://ann:hidden@example.org/a.csv": "a user or a password",
    "https://example.org/a.csv?version=1&X-Amz-Signature=hidden": "the parameter 'X-Amz-Signature'",
    "http://example.org/a.csv?token=hidden": "the parameter 'token'",
}


FILE = "pipelines.toml [pipelines.small.source] path:"


def refusal(url: str) -> str:
    """Return the line that refuses a URL."""
    return (
        f"error: {FILE} expected a URL without {URLS[url]}, which would be logged; "
        f"or download the file and set its path. Received: '{url.partition('://')[0]}://…' (string).\n"
    )


def assert_nowhere(folder: Path) -> None:
    """Assert that no file but `pipelines.toml` holds the secret."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "pipelines.toml"]
    assert [path for path in files if b"hidden" in path.read_bytes()] == []


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    "words", ["run small", "plan small", "ls", "retrain small", "sweep small", "check small", "doctor", "predict small"]
)
def test_a_secret_in_the_file_is_refused_and_shown_nowhere(
    finished: Path, command: Command, url: str, words: str, fault: Fault
) -> None:
    edit(finished / "pipelines.toml", "series.csv", url + SHA256)

    said = command(*words.split())

    fault.said(said.err)
    assert (said.status, unnumbered(said.err)) == (2, refusal(url))
    assert "hidden" not in said.out
    assert_nowhere(finished)


@pytest.mark.parametrize("url", URLS)
def test_a_secret_that_is_set_for_one_call_is_shown_nowhere(finished: Path, command: Command, url: str) -> None:
    named = f"--set source.path={url.partition('://')[0]}://…:"
    assert command("run", "small", "--set", f"source.path={url}").err == refusal(url).replace(FILE, named)
    for wrong in (f"source={url}", f"source.path.more={url}", f"description={url}", f"model.kind={url}"):
        said = command("run", "small", "--set", wrong)
        assert said.status == 2
        assert "hidden" not in said.out + said.err
    assert_nowhere(finished)


@pytest.mark.parametrize("url", URLS)
def test_a_secret_in_a_sweep_is_shown_nowhere(finished: Path, command: Command, url: str) -> None:
    toml = finished / "pipelines.toml"
    toml.write_text(toml.read_text() + f'\n[pipelines.small.sweep]\nsource.path = ["{url}"]\n')
    said = command("sweep", "small")
    assert said.status == 2
    assert "hidden" not in said.out + said.err
    assert_nowhere(finished)


@pytest.mark.parametrize("url", [*URLS, "postgresql://ann:hidden@example.org/sales"])
@pytest.mark.parametrize("words", ["predict small --input", "init new --domain timeseries --data"])
def test_a_secret_in_a_command_is_not_repeated(finished: Path, command: Command, url: str, words: str) -> None:
    said = command(*words.split(), url)
    assert said.status != 0
    assert "hidden" not in said.out + said.err
    assert_nowhere(finished)
