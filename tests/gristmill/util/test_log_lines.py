"""The log as plain lines."""

import logging

from gristmill.util.log_lines import PlainLogHandler


def test_a_warning_is_said_once_and_progress_as_often_as_it_comes() -> None:
    told: list[str] = []
    logger = logging.Logger("a command")
    logger.addHandler(PlainLogHandler(told.append))

    for _ in range(2):
        logger.info("%s done", "train")
        logger.warning("v%d cannot be used", 2)
    logger.warning("v%d cannot be used", 1)

    assert told == ["train done", "warning: v2 cannot be used", "train done", "warning: v1 cannot be used"]
