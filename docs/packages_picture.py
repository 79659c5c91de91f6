"""The packages of gristmill in the order of their imports, as an SVG picture, from the contract in pyproject.toml.

`make schema` writes it to `docs/_static/packages.svg`; a test keeps it current.
"""

import ast
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROW, GAP, TOP, WIDTH, NAME_WIDTH = 22, 6, 40, 820, 200  # pixels
STYLE = """\
    text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: #1f2328 }
    .name { font: 600 12.5px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
    rect { fill: #f6f8fa; stroke: #d0d7de }
    .order { fill: none; stroke: #7d8590; stroke-width: 1.6 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      rect { fill: #161b22; stroke: #30363d }
    }"""


def picture() -> str:
    """Return the picture: one box for each layer, with a line for each of its packages."""
    boxes, y = [], TOP
    for layer in layers():
        height = ROW * len(layer) + GAP
        boxes.append(f'  <rect x="40" y="{y}" width="{WIDTH - 41}" height="{height}" rx="5"/>')
        for at, package in enumerate(layer):
            line = y + GAP / 2 + ROW * at + 15
            boxes.append(f'  <text class="name" x="52" y="{line:g}">{package}</text>')
            boxes.append(f'  <text x="{NAME_WIDTH}" y="{line:g}">{escape(purpose(package))}</text>')
        y += height + GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 4}" width="{WIDTH}" role="img">',
            "  <title>Packages of gristmill: each imports only packages in lower boxes</title>",
            f"  <style>\n{STYLE}\n  </style>",
            '  <text x="40" y="24">A package imports only packages in lower boxes.</text>',
            f'  <path class="order" d="M20 {TOP} V{y - GAP} m-5 -9 l5 9 l5 -9"/>',
            *boxes,
            "</svg>",
        ]
    )


def layers() -> Iterator[list[str]]:
    """Yield the packages of each layer, the highest layer first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]
    yield from (layer.split(" | ") for layer in contract["layers"])


def purpose(package: str) -> str:
    """Return the first sentence of the docstring of a package or module."""
    path = ROOT / "gristmill" / package
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].partition(". ")[0].rstrip(".").replace("`", "")


if __name__ == "__main__":
    print(picture())
