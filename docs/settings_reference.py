"""The settings reference, as Markdown, from the JSON Schema of `pipelines.toml`.

`make schema` writes it to `docs/reference/settings.md`; a test keeps it current.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from gristmill.config import toml_value
from gristmill.schema import schema

NAMES = {
    "timeseries": "Time series",
    "vision": "Vision",
    "text": "Text",
    "generation": "Generation",
    "regression": "Regression",
}
FLOAT32 = 1e38  # a bound beyond is that of the type, and tells a reader nothing
OPENING = """\
# Settings

Every table and key of `pipelines.toml`, generated from the settings classes (`make schema`). A key stands in the table
`[pipelines.NAME.TABLE]`, or is set for one call: `gristmill run NAME --set TABLE.KEY=VALUE`. A key without a default is
*needed*, or not set (–).

Besides its tables a pipeline has `domain`, a `description` that `gristmill ls` prints, and perhaps a
[`sweep`](#sweep). `source` and `model` have a `kind`, which decides what else they take; a model may also be
[your own](../how-to/own-model.md).
"""

Node = dict[str, Any]
Uses = list[tuple[str, str]]  # of a definition: (domain, table)


def page() -> str:
    """Return the whole page: what all pipelines share, then a section a domain."""
    whole = schema()
    definitions: dict[str, Node] = whole["$defs"]
    domains = {
        option["properties"]["domain"]["const"]: option["properties"]
        for option in whole["properties"]["pipelines"]["additionalProperties"]["oneOf"]
    }
    uses: dict[str, Uses] = defaultdict(list)
    for domain in NAMES:
        for table, node in domains[domain].items():
            for name in references(node):
                uses[name].append((domain, table))
    shared = [name for name, found in uses.items() if len({domain for domain, _ in found}) > 1]
    parts = [OPENING, "## Shared\n", section("defaults", definitions["Defaults"], "defaults", definitions)]
    parts += [_section_of(name, uses[name], definitions, alone=False) for name in shared]
    for domain, heading in NAMES.items():
        parts.append(f"## {heading}\n")
        parts.append(_contents(domain, uses, shared, definitions))
        own = [name for name, found in uses.items() if name not in shared and found[0][0] == domain]
        parts += [_section_of(name, uses[name], definitions, alone=True) for name in own]
    return "\n".join(parts)


def references(node: Node) -> Iterator[str]:
    """Yield the names of the definitions that a table may be, in their order."""
    for option in node.get("oneOf", [node]):
        if "$ref" in option:
            yield option["$ref"].removeprefix("#/$defs/")


def section(title: str, definition: Node, anchor: str, definitions: dict[str, Node], domains: str = "") -> str:
    """Return a heading and a table of keys, each with an anchor such as `timeseries.train.epochs`."""
    about = " ".join(definition.get("description", "").split("\n\n")[0].split())
    lines = [f"### {title}", "", " ".join(filter(None, [about, domains])), ""]
    if anchor != title:  # which a heading has by itself
        lines[:0] = [f'<a id="{anchor}"></a>', ""]
    needed = definition.get("required", [])
    rows = [
        f'| <a id="{anchor}.{key}"></a>`{key}` | {_cell(worded(node, definitions))} | '
        f"{_cell(_default(node, key in needed))} | {_cell(node.get('description', ''))} |"
        for key, node in definition.get("properties", {}).items()
        if key != "kind"
    ]
    if rows:
        lines += ["| key | type | default | |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def worded(node: Node, definitions: dict[str, Node]) -> str:
    """Return what a key takes in plain words."""
    if "$ref" in node:
        fields = definitions[node["$ref"].removeprefix("#/$defs/")]["properties"]
        return f"table of {', '.join(f'`{name}` ({worded(inner, definitions)})' for name, inner in fields.items())}"
    if options := node.get("anyOf") or node.get("oneOf"):
        return ", or ".join(worded(option, definitions) for option in options if option.get("type") != "null")
    if "const" in node or "enum" in node:
        return " or ".join(f"`{toml_value(value)}`" for value in node.get("enum", [node.get("const")]))
    match node.get("type"):
        case "integer" | "number" as kind:
            return " ".join(["whole number" if kind == "integer" else "number", *_bounds(node)])
        case "boolean":
            return "`true` or `false`"
        case "array" if "prefixItems" in node:
            return f"list of {len(node['prefixItems'])} {_plural(worded(node['prefixItems'][0], definitions))}"
        case "array":
            return f"list of {_plural(worded(node.get('items', {}), definitions))}"
        case "object":
            return "table"
        case "string":
            return "64 hexadecimal digits" if "0-9a-f" in node.get("pattern", "") else "text"
    return "any value"


def _section_of(name: str, uses: Uses, definitions: dict[str, Node], alone: bool) -> str:
    title, anchor = _title(name, uses, definitions)
    domains = list(dict.fromkeys(NAMES[domain] for domain, _ in uses))
    of = "" if alone or len(domains) == len(NAMES) else f"For {', '.join(domains).lower()}."
    return section(title, definitions[name], anchor if not alone else f"{uses[0][0]}.{anchor}", definitions, of)


def _title(name: str, uses: Uses, definitions: dict[str, Node]) -> tuple[str, str]:
    """Return the heading of a table and its anchor: `source, kind = "csv"` and `source.csv`."""
    table = uses[0][1]
    kind = definitions[name].get("properties", {}).get("kind", {}).get("const")
    return (f'{table}, kind = "{kind}"', f"{table}.{kind}") if kind else (table, table)


def _contents(domain: str, uses: dict[str, Uses], shared: list[str], definitions: dict[str, Node]) -> str:
    """Return a line of links to all tables of a domain, the shared ones too."""
    links = []
    for name, found in uses.items():
        if any(used == domain for used, _ in found):
            _, anchor = _title(name, found, definitions)
            label = anchor.replace(".", " ")
            links.append(f"[{label}](#{anchor if name in shared else f'{domain}.{anchor}'})")
    return f"Tables: {', '.join(links)}.\n"


def _plural(words: str) -> str:
    return re.sub(r"\b(number|text|table|value)\b", r"\1s", words, count=1)


def _bounds(node: Node) -> Iterator[str]:
    bounds = {"from": "minimum", "above": "exclusiveMinimum", "to": "maximum", "below": "exclusiveMaximum"}
    found = {word: node[key] for word, key in bounds.items() if abs(node.get(key, math.inf)) < FLOAT32}
    if found.keys() == {"above", "below"}:
        yield f"between {_number(found['above'])} and {_number(found['below'])}"
    else:
        yield from (f"{word} {_number(bound)}" for word, bound in found.items())


def _number(bound: float) -> str:
    return f"{int(bound):,}" if abs(bound) < 1e15 and bound == int(bound) else f"{bound:g}"


def _default(node: Node, needed: bool) -> str:
    if needed:
        return "*needed*"
    default = node.get("default")
    return "–" if default in (None, {}) else f"`{toml_value(default)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
