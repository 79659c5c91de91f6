"""Edits of every module that a key can hold, in every domain: what counts is what a stage can reach, and no layout."""

import ast
import shutil
from collections.abc import Iterator
from modulefinder import ModuleFinder
from pathlib import Path

import pytest

from gristmill.config.domains import DOMAINS, domain_of
from gristmill.store.code_closure import PACKAGE, PackageCode, _is_outside, code_closure
from gristmill.util.files import StatCache
from helpers.scoreboard import Fault

pytestmark = [pytest.mark.fault(19), pytest.mark.slow]

STARTS = {f"{domain} {stage.name}": stage.module for domain in DOMAINS for stage in domain_of(domain).stages}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, to be edited."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "gristmill", ignore=shutil.ignore_patterns("__pycache__")))


def keyed(package: Path) -> dict[str, dict[str, str]]:
    """Return by domain and stage what a key holds of the code: modules and hashes."""
    modules = PackageCode(StatCache(package.parent / "memo"), package).modules()
    return {stage: code_closure([start], modules) for stage, start in STARTS.items()}


def sources(package: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(package.rglob("*.py")):
        yield path, path.read_text()


class _Documented(ast.NodeTransformer):
    """Puts another docstring into everything that can have one."""

    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.Expr(ast.Constant(f"Line {getattr(node, 'lineno', 0)}\n\nsaid in other words."))
            node.body = [text, *node.body[ast.get_docstring(node, clean=False) is not None :]]
        return node


def test_every_module_may_get_other_docstrings_comments_and_layout_and_no_stage_runs(
    package: Path, fault: Fault
) -> None:
    before, edited = keyed(package), list(sources(package))
    for path, source in edited:
        path.write_text(f"# edited\n\n\n{ast.unparse(_Documented().visit(ast.parse(source)))}\n# the end\n")

    assert keyed(package) == before
    fault.tried(len(edited))


def test_every_real_edit_is_seen_by_the_stages_whose_byte_code_reaches_it_and_by_no_other(
    package: Path, fault: Fault
) -> None:
    before = keyed(package)
    modules = PackageCode(StatCache(package.parent / "memo"), package).modules()
    outside = {name for name in modules if _is_outside(name)}
    parents = {name.rpartition(".")[0] for name in modules.keys() - outside}
    for path, source in sources(package):
        path.write_text(f"{source}\nUNUSED = 1\n")
    after = keyed(package)

    for stage, start in STARTS.items():
        finder = ModuleFinder(path=[str(package.parent)], excludes=sorted(outside - parents))
        finder.import_hook(start)
        reached = {name for name, module in finder.modules.items() if module.__file__} - outside
        assert {name for name, digest in after[stage].items() if before[stage][name] != digest} == reached, stage
    fault.tried(sum(map(len, after.values())))
