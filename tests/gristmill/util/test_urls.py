"""Secrets in URLs: found by where they stand and what they are called, and masked wherever a value is shown."""

import pytest

from gristmill.util.urls import find_secret, redact

USER = "a user or a password"


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://ann@example.org/a.csv", USER),
        ("https://ann:hidden@example.org/a.csv", USER),
        ("https://:hidden@example.org", USER),
        ("https://ann:hid/den@example.org/a.csv", USER),  # a host and a port that is none, to whom reads it by the book
        ("https://ann:hid den@example.org/a.csv", USER),
        ("s3://key:hidden@bucket/store", USER),
        ("https://example.org/a.csv?token=hidden", "the parameter 'token'"),
        ("https://example.org/a.csv?version=2&X-Amz-Signature=hidden", "the parameter 'X-Amz-Signature'"),
        ("https://example.org/a.csv?AWSAccessKeyId=hidden", "the parameter 'AWSAccessKeyId'"),
        ("https://example.org/a.csv?sv=2&sig=hidden", "the parameter 'sig'"),
        ("https://example.org/a.csv?api%5Fkey=hidden", "the parameter 'api_key'"),
        ("https://example.org/a.csv?key=hidden", "the parameter 'key'"),
        ("https://example.org/a.csv#access_token=hidden", "the parameter 'access_token'"),
        ("https://example.org/a.csv?Policy=hidden", "the parameter 'Policy'"),
        ("https://example.org/a.csv?Key-Pair-Id=hidden", "the parameter 'Key-Pair-Id'"),
        ("https://example.org/a.csv?authorization=hidden", "the parameter 'authorization'"),
        ("https://proxy.example.org/https://ann:hidden@example.org/a.csv", USER),
        ("https://example.org/a.csv, https://example.org/b.csv?token=hidden", "the parameter 'token'"),
        ("source.path=https://example.org/?password=hidden", "the parameter 'password'"),
    ],
)
def test_what_looks_like_a_secret_is_found_and_masked(url: str, secret: str) -> None:
    assert find_secret(url) == secret
    shown = redact({"path": url, "more": [url, 3]})
    assert shown == {"path": f"{url.partition('://')[0]}://…", "more": [f"{url.partition('://')[0]}://…", 3]}
    assert "hid" not in str(shown)


@pytest.mark.parametrize(
    "place",
    [
        "https://example.org:8443/a@b/c:d.csv?version=2&author=ann&monkey=1#rows",
        "http://[::1]:80/a.csv",
        "https://example.org/a.csv?tokens=5&tokenizer=gpt&authority=b&policy_year=2020",
        "https://example.org/token/secret.csv",
        "package://name/token=1.csv",
        "data/ann:hidden@example.org.csv",
        "",
    ],
)
def test_what_does_not_is_left_as_it_is(place: str) -> None:
    assert find_secret(place) is None
    assert redact([place]) == [place]
