"""The schema kept with a pipeline, `schemas/NAME.toml`: read, held against data, proposed from what was seen."""
