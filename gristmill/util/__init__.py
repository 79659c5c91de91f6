"""Files, processes, Parquet, JSON, TOML and URLs, times and intervals; nothing about pipelines."""
