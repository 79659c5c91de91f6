"""The table `[notify]`: who gets messages about runs, and what they are about."""

import re
from typing import Self

from pydantic import PositiveInt, model_validator

from gristmill.settings.base import Settings


class Notify(Settings):
    """Receiver of messages about runs: an address in an environment variable, or a notification block of Prefect."""

    url_env: str | None = None  # environment variable that holds an apprise URL, such as "OPS_URL"
    block: str | None = None  # notification block of Prefect, TYPE/NAME, such as "slack-webhook/ops"
    rejections: PositiveInt = 5  # number of rejected challengers in a row that triggers a message

    @model_validator(mode="after")
    def _check_receiver(self) -> Self:
        """Check the receiver of the table as a whole: such an error does not print what it holds, maybe a secret."""
        if (self.url_env is None) == (self.block is None):
            raise ValueError("either url_env or block")
        if self.url_env is not None and not re.fullmatch(r"[A-Za-z_]\w*", self.url_env):
            raise ValueError('url_env to name an environment variable, such as "OPS_URL", which holds the URL')
        if self.block is not None and not re.fullmatch(r"[\w-]+/[\w-]+", self.block):
            raise ValueError('block to name a notification block of Prefect, TYPE/NAME, such as "slack-webhook/ops"')
        return self
