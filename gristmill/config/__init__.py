"""The file pipelines.toml: pipelines, stages, domains and its JSON schema."""
