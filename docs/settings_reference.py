"""The settings reference, as Markdown, from the JSON Schema of `pipelines.toml`.

`make schema` writes it to `docs/reference/settings.md`; a test keeps it current.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from gristmill.config.json_schema import schema
from gristmill.util.toml import toml_value

NAMES = {
    "timeseries": "Time series",
    "vision": "Vision",
    "text": "Text",
    "generation": "Generation",
    "tabular": "Tabular",
}
TOP_LEVEL = "It is at the top level, like `[defaults]`."
FLOAT32 = 1e38  # a larger bound only limits the type, so readers need not see it
HIDDEN_BOUNDS = (65_536, 2**31 - 1, 2**63)  # limits of whole numbers that no sensible value reaches
OPENING = """\
# Settings

Every table and key of `pipelines.toml`, generated from the settings classes (`make schema`). Write a key in the table
`[pipelines.NAME.TABLE]`, or set it for one call: `gristmill run NAME --set TABLE.KEY=VALUE`. The default is *needed* if
the key is required, and – if it is optional and not set.

Besides its tables, a pipeline has a `domain`, an optional `description` for `gristmill ls`, and an optional
[`sweep`](#sweep). `source` and `model` have a `kind`, which determines their other keys; a model can also be
[your own](../how-to/own-model.md), or [several](../how-to/choose-a-model.md) of which the best is exported.
"""

Node = dict[str, Any]
Uses = list[tuple[str, str]]  # of a definition: (domain, table)


def page() -> str:
    """Return the whole page: the tables that several domains share, then one section per domain."""
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
    headings = {
        name: _title(name, found, definitions) if name in shared else _own_title(name, found, definitions)
        for name, found in uses.items()
    }
    parts = [OPENING, "## Shared\n", section("defaults", definitions["Defaults"], definitions)]
    parts += [
        section(title, definitions[title.split(",")[0].capitalize()], definitions, TOP_LEVEL)
        for title in ("runner", "notify", "deploy, for all pipelines")
    ]
    parts += [section(headings[name], definitions[name], definitions, _whose(uses[name])) for name in shared]
    for domain, heading in NAMES.items():
        own = [name for name, found in uses.items() if name not in shared and found[0][0] == domain]
        parts.append(f"## {heading}\n")
        parts.append(_contents(domain, uses, headings, definitions))
        parts += [section(headings[name], definitions[name], definitions) for name in own]
    return "\n".join(parts)


def references(node: Node) -> Iterator[str]:
    """Yield the names of the definitions that a table may be, in their order."""
    for option in node.get("oneOf", [node]):
        if "$ref" in option:
            yield option["$ref"].removeprefix("#/$defs/")


def section(title: str, definition: Node, definitions: dict[str, Node], domains: str = "") -> str:
    """Return a heading and a table of keys."""
    about = " ".join(definition.get("description", "").split("\n\n")[0].split())
    lines = [f"### {title}", "", " ".join(filter(None, [about, domains])), ""]
    needed = definition.get("required", [])
    rows = [
        f"| `{key}` | {_cell(worded(node, definitions))} | "
        f"{_cell(_default(node, key in needed))} | {_cell(node.get('description', ''))} |"
        for key, node in definition.get("properties", {}).items()
        if key != "kind"
    ]
    if rows:
        lines += ["| key | takes | default | meaning |", "|---|---|---|---|", *rows, ""]
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


def _title(name: str, uses: Uses, definitions: dict[str, Node]) -> str:
    """Return the heading of a table, such as `source, kind = "csv"`."""
    kind = _kind(name, definitions)
    return f'{uses[0][1]}, kind = "{kind}"' if kind else uses[0][1]


def _own_title(name: str, uses: Uses, definitions: dict[str, Node]) -> str:
    """Return the heading of a table of one domain; it differs from the headings of other domains."""
    return f"{NAMES[uses[0][0]]}: {_title(name, uses, definitions)}"


def _kind(name: str, definitions: dict[str, Node]) -> str | None:
    kind: str | None = definitions[name].get("properties", {}).get("kind", {}).get("const")
    return kind


def _whose(uses: Uses) -> str:
    domains = list(dict.fromkeys(NAMES[domain] for domain, _ in uses))
    return "" if len(domains) == len(NAMES) else f"For {', '.join(domains).lower()}."


def _contents(domain: str, uses: dict[str, Uses], headings: dict[str, str], definitions: dict[str, Node]) -> str:
    """Return a line of links to all tables of a domain, the shared ones too."""
    links = []
    for name, found in uses.items():
        if any(used == domain for used, _ in found):
            label = " ".join(filter(None, [found[0][1], _kind(name, definitions)]))
            links.append(f"[{label}](#{_anchor(headings[name])})")
    return f"Tables: {', '.join(links)}.\n"


def _anchor(heading: str) -> str:
    """Return the anchor of a heading, on GitHub and in the site."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _plural(words: str) -> str:
    return re.sub(r"\b(number|text|table|value)\b", r"\1s", words, count=1)


def _bounds(node: Node) -> Iterator[str]:
    bounds = {"from": "minimum", "above": "exclusiveMinimum", "to": "maximum", "below": "exclusiveMaximum"}
    limits = {word: node[key] for word, key in bounds.items() if key in node}
    found = {word: limit for word, limit in limits.items() if abs(limit) < FLOAT32 and limit not in HIDDEN_BOUNDS}
    if node["type"] == "integer" and "above" in found and "to" in found:
        found = {"from": found["above"] + 1, "to": found["to"]}
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
