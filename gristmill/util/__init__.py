"""Files, locks, processes, Parquet, JSON and URLs; nothing about machine learning."""
