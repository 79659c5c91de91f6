"""The table `freshness`: how old a pipeline's data may be."""

from gristmill.settings.base import Settings
from gristmill.settings.schedule import Duration


class Freshness(Settings):
    """Limit on the age of the data. Without this table, a source without new data is not reported."""

    max_age_of_data: Duration  # maximum age of the newest data, such as "2 days"; retrainings report older data
