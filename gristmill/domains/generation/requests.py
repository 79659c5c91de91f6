"""Requests for texts to generate: a prompt, and how to continue it."""

from collections.abc import Mapping, Sequence
from typing import Any

from gristmill.domains.common.requests import Column, Requests


class PromptRequests(Requests):
    """Options of a generated text, one of which is the prompt."""

    def example(self, columns: Sequence[Column]) -> Mapping[str, Any] | None:
        return {"prompt": "The beginning of a text", "length": 200}


REQUESTS = PromptRequests(("text/plain",))
