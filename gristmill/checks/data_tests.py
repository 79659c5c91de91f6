"""Tests of the ML Test Score on features and data."""

from typing import Any

from gristmill.checks.evidence import Evidence, RubricResult, RubricTests, RunOutputs, by_hand, fails, of_run, passes
from gristmill.settings.messages import format_numbers


def in_schema(evidence: Evidence) -> RubricResult:
    """Test whether a schema with a rule exists and the last run checked its data by it."""
    name = evidence.pipeline.name
    if "schema" not in evidence.pipeline.tables:
        return fails(f"gristmill schema {name} --write proposes one from the data: edit and commit it")
    schema = evidence.pipeline.values()["schema"]
    if not _has_rule({key: value for key, value in schema.items() if key != "file"}):
        return fails(f"schemas/{name}.toml has no rule: remove it, and gristmill schema {name} --write proposes some")
    run = evidence.last_run
    if run is None or run.record.settings.get("schema") != schema:
        return fails(f"the schema is new or was edited: gristmill run {name} checks the data by it")
    return passes(f"ingest of run {run.record.id} checked the data by schemas/{name}.toml")


def _has_rule(rules: Any) -> bool:
    return any(map(_has_rule, rules.values())) if isinstance(rules, dict) else rules is not None


@of_run
def beneficial(run: RunOutputs) -> RubricResult:
    """Test whether shuffling any feature raises the error by more than chance."""
    if run.importance is None:
        return by_hand("no feature was shuffled (only one feature, or no error): do baselines without it do worse?")
    features, error = run.importance["features"], run.importance["error"]
    if idle := [feature["feature"] for feature in features if feature["rise"] <= feature["deviation"]]:
        return fails(f"the error does not rise when shuffled: {', '.join(idle)}. Run without, and compare")
    weakest = features[-1]
    rise, error = format_numbers([weakest["rise"], error], digits=3)
    return passes(
        f"shuffling any of the {len(features)} features raises the error of {error}, "
        f"{weakest['feature']} the least, by {rise}"
    )


def allowed(evidence: Evidence) -> RubricResult:
    """Test whether columns that no model may use are denied by name."""
    if not evidence.deny:
        return fails('set [defaults] deny = ["email", "customer_*"] to reject columns that no model may use')
    return passes(f"no column of the pipeline matches {', '.join(evidence.deny)}; a match would be rejected")


TESTS: RubricTests = {
    "Feature expectations are captured in a schema": in_schema,
    "All features are beneficial": beneficial,
    "No feature's cost is too much": "time, memory and upkeep of each against its benefit",
    "Features adhere to meta-level requirements": allowed,
    "The data has appropriate privacy controls": "who can read source, store, reports, logs?",
    "New features can be added quickly": "how long did the last one take to be served?",
    "All input feature code is tested": "gristmill tests its stages: is your source tested?",
}
