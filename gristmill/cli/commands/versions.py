"""The commands on the versions of a pipeline's model: `retrain`, `models`, `promote`, `rollback`, `diff`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gristmill.cli import console, output, progress_bar
from gristmill.cli.options import Accept, AsOf, Json, Name, RunId, Set, open_project, version_argument
from gristmill.errors import RequestError, count_of

if TYPE_CHECKING:
    import pandas as pd

    from gristmill.registry.promotions import Promotion

EXIT_REJECTED = 3

_MAX_ROWS = 5  # of each kind of change, on the terminal
_MIN_WIDTH = 20  # of descriptions and values on a narrow terminal


def retrain(name: Name, set_: Set = None, as_of: AsOf = None, accept: Accept = False, as_json: Json = False) -> None:
    """Retrain a pipeline if its data has changed, and promote the new model if it is better.

    The exit status is 3 if the new model was not better.
    """
    from gristmill.reports.retraining import write_retraining

    if as_of is not None:
        raise typer.Exit(0 if reproduce(name, as_of, set_, as_json) else EXIT_REJECTED)
    project = open_project(overrides={name: set_ or []})
    with progress_bar.working("data", "reading"):
        record = project.retrain(name, accept)
    retraining = record.retraining
    if as_json:
        output.show_json(record.model_dump(mode="json"))
    elif retraining:
        report_path = write_retraining(record, project.catalogue.pipeline(name).description, project.store)
        output.show_decision(name, retraining)
        output.show_report(report_path)
    raise typer.Exit(EXIT_REJECTED if retraining and retraining.verdict == "rejected" else 0)


def reproduce(name: str, version: int, assignments: list[str] | None, as_json: bool) -> bool:
    """Train a version again, print how the result compares with it, and return whether the weights are the same."""
    if assignments:
        raise RequestError(f"--set {assignments[0]}: --as-of uses the settings of version {version}. Leave out one.")
    with progress_bar.working("data", "reading"):
        result = open_project().reproduce(name, version)
    if as_json:
        output.show_json(result.model_dump(mode="json") | {"same": result.is_same})
        return result.is_same
    same = "same weights as" if result.is_same else "not the weights of"
    typer.echo(f"{name}: {same} version {version} (digest {result.digest[:12]}, expected {result.expected[:12]})")
    if result.other_results:
        console.write(f"other results: {', '.join(result.other_results)}")
        causes = result.causes or ["no code or library; check the processor, and random numbers in your own code"]
        for cause in causes:
            console.write(f"changed since: {cause}")
    return result.is_same


def models(name: Name, as_json: Json = False) -> None:
    """List the versions of a pipeline's model, newest first, with their scores, commits and reasons."""
    with progress_bar.working("bundles", "reading"):
        project = open_project()
        versions, promotions = project.models(name)
        champion = project.champion(name)
        damaged = project.damaged(name)
    if as_json:
        listed = [version.model_dump(mode="json") | {"bundle": project.folder_of(version)} for version in versions]
        moves = [promotion.model_dump(mode="json") for promotion in promotions]
        output.show_json({"champion": champion, "versions": listed, "promotions": moves, "damaged": damaged})
    elif versions:
        output.show_models(versions, champion, damaged)
        output.show_promotions(promotions[:1])
        serving = next((version for version in versions if version.number == champion), None)
        if serving and (folder := project.folder_of(serving)):
            output.show_bundle(folder, champion)
    else:
        typer.echo(f"{name}: no version yet. Promote the model of the last run: gristmill promote {name}")


def promote(
    name: Name,
    version: Annotated[
        int | None,
        version_argument(
            "Number of a version. The default is a new version of a run's model or, with --hold, the champion."
        ),
    ] = None,
    run: RunId = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Keep this version until the next promotion; retraining does not replace it.")
    ] = False,
) -> None:
    """Make a version the champion, the version that serves predictions."""
    with progress_bar.working("bundle", "reading"):
        project = open_project()
        before = project.hold(name)
        promotion = project.promote(name, version, run, hold=hold)
        comparison = project.version(name, promotion.version).loses_to_baseline
    _show(promotion)
    if before and before.number != promotion.number:
        typer.echo(f"released: v{before.version} was {before.hold_in_words}")
    if comparison:
        console.say(f"warning: v{promotion.version} {comparison}")


def rollback(name: Name) -> None:
    """Roll back to the version that served before the champion, and to the data that it was trained on.

    If no version served before the champion, only newer data is withdrawn.
    """
    with progress_bar.working("bundle", "reading"):
        project = open_project()
        promotion = project.rollback(name)
        run = project.version(name, promotion.version).run
    _show(promotion)
    if promotion.withdrawn:
        count = count_of(len(promotion.withdrawn), "later runs")
        console.write_sentence(f"withdrawn: the data of {count}; predictions use that of run {run}")
        console.write_sentence("next retraining: uses the source again once its content has changed")


def diff(
    name: Name,
    version: Annotated[int, version_argument("The version with the earlier data.")],
    later: Annotated[int, version_argument("The version with the later data.", "LATER")],
    as_json: Json = False,
) -> None:
    """Show which rows were added, changed or lost between the data of two versions."""
    from gristmill.runs.retraining_record import CHANGES

    with progress_bar.working("data", "reading"):
        rows = open_project().diff(name, version, later)
    counts = {change: int((rows.index == change).sum()) for change in CHANGES}
    if as_json:
        plain = rows.astype(object)
        records = plain.where(plain.notna(), None).to_dict("records")
        listed = [{"change": change, "row": row} for change, row in zip(rows.index, records, strict=True)]
        unused = {"not_compared": rows.attrs["not compared"]}
        output.show_json({"version": version, "later": later, **counts, **unused, "rows": listed})
        return
    summary = ", ".join(f"{count:,} {change}" for change, count in counts.items())
    typer.echo(f"{name}: {summary} from version {version} to version {later}")
    if unused := rows.attrs["not compared"]:
        console.write(f"not compared: {', '.join(f'{column} ({why})' for column, why in unused.items())}")
    if len(rows):
        _show_rows(rows)
    if any(count > _MAX_ROWS for count in counts.values()):
        typer.echo(f"The first {_MAX_ROWS} of each kind are shown; all: gristmill diff {name} {version} {later} --json")


def _show_rows(rows: "pd.DataFrame") -> None:
    """Print the first rows of each kind of change: what describes them, and their values.

    Of a changed row, these are the values before and after, without those that stayed the same.
    """
    from gristmill.runs.retraining_record import CHANGED, LOST

    shown = rows.groupby(level=0).head(_MAX_ROWS).sort_index(kind="stable")
    ending = rows.attrs["before"]
    compared = [str(name) for name in rows if f"{name}{ending}" in rows]
    described = [str(name) for name in rows if str(name).removesuffix(ending) not in compared]
    values = []
    for change, row in shown.iterrows():
        parts = []
        for name in compared:
            now = _text(row[name])
            before = _text(row[f"{name}{ending}"])
            if change != CHANGED:
                parts.append(f"{name} {before if change == LOST else now}")
            elif before != now:
                parts.append(f"{name} {before} → {now}")
        values.append(", ".join(parts))
    columns = [
        ("rows", list(map(str, shown.index))),
        *((name, [_text(value) for value in shown[name]]) for name in described),
        ("values", values),
    ]
    console.print_columns(columns, shrink=[(name, _MIN_WIDTH) for name in ["values", *described]])


def _text(value: Any) -> str:
    if isinstance(value, float):
        return repr(float(value)).removesuffix(".0")  # in full: a change may be small
    return " ".join(str(value).removesuffix(" 00:00:00").split())


def _show(promotion: "Promotion") -> None:
    name, version = promotion.pipeline, promotion.version
    before = f" (before: v{promotion.previous})" if promotion.previous not in (None, version) else ""
    typer.echo(f"{name}: v{version} is the champion{before}")
    if promotion.held:
        typer.echo(f"held: retrainings do not replace it. To release it: gristmill promote {name} {version}")
