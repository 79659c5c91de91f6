"""The file pipelines.toml: pipelines, stages, deployments and its JSON schema."""
