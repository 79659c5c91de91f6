"""The tests of the rubric on features and data."""

from typing import Any

from gristmill.checks.evidence import Evidence, RunOutputs
from gristmill.checks.findings import RubricResult, Test, by_hand, missing, of_run, passes, person
from gristmill.settings.messages import format_numbers


def in_schema(seen: Evidence) -> RubricResult:
    """Whether what is expected of the data stands in a schema, by which the last run read it."""
    name = seen.pipeline.name
    if "schema" not in seen.pipeline.tables:
        return missing(f"gristmill schema {name} --write proposes one from the data: edit and commit it")
    rules = seen.pipeline.values()["schema"]
    if not _says_something({key: value for key, value in rules.items() if key != "file"}):
        return missing(f"schemas/{name}.toml has no rule: remove it, and gristmill schema {name} --write proposes some")
    if seen.left is None or seen.left.record.settings.get("schema") != rules:
        return missing(f"gristmill run {name} holds the data against the schema, which is new or was edited")
    return passes(f"ingest of run {seen.left.record.id} held the data against schemas/{name}.toml")


def _says_something(rules: Any) -> bool:
    """Whether something is set in a schema, or a table of it."""
    return any(map(_says_something, rules.values())) if isinstance(rules, dict) else rules is not None


@of_run
def beneficial(left: RunOutputs) -> RubricResult:
    """Whether the error rises with every feature that is shuffled, by more than chance."""
    if left.importance is None:
        return by_hand(
            "no feature was shuffled, for want of a second one, or of an error: do baselines without it do worse?"
        )
    features = left.importance["features"]
    idle = [feature["feature"] for feature in features if feature["rise"] <= feature["deviation"]]
    if idle:
        return missing(f"the error does not rise when shuffled: {', '.join(idle)}. Run without, and compare")
    least, error = features[-1], left.importance["error"]
    rise, whole = format_numbers([least["rise"], error], digits=3)
    told = f"{least['feature']} raises it least, by {rise} from {whole}"
    return passes(f"each of {len(features)} raises the error when shuffled: {told}")


def allowed(seen: Evidence) -> RubricResult:
    """Whether columns that no model may see are refused by name."""
    if not seen.deny:
        return missing('[defaults] deny = ["email", "customer_*"] refuses columns that no model may see')
    return passes(f"no column of the pipeline matches {', '.join(seen.deny)}; one that did would be refused")


TESTS = (
    Test("What is expected of features is in a schema", in_schema),
    Test("Every feature is of use", beneficial),
    Test("No feature costs too much", person("what each takes in time, memory and upkeep, beside what it brings")),
    Test("Features keep to the rules of the house", allowed),
    Test("The data is as private as it must be", person("who can read the source, the store, the reports and logs")),
    Test("New features can be added quickly", person("how long the last one took from the idea to the served model")),
    Test("The code of features is tested", person("gristmill tests its stages; is what makes your source tested too?")),
)
