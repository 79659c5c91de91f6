"""Modules import each other in one direction."""

import grimp

FORWARD_TYPES = "gristmill.settings.domain"  # names types of packages above it, for mypy alone
LATE = ("gristmill", "gristmill.project.project")  # for whoever asks the package for Project


def test_no_module_imports_another_that_imports_it() -> None:
    graph = grimp.build_graph("gristmill")
    imports = {
        name: {other for other in graph.find_modules_directly_imported_by(name) if (name, other) != LATE}
        for name in graph.modules
        if name != FORWARD_TYPES
    }

    def reached(start: str) -> set[str]:
        found, queue = set[str](), [start]
        while queue:
            new = imports.get(queue.pop(), set()) - found
            found |= new
            queue += new
        return found

    beyond = {name: reached(name) for name in imports}
    in_circles = sorted(name for name, found in beyond.items() if name in found)
    circles = {
        tuple(other for other in in_circles if other in beyond[name] and name in beyond[other]) for name in in_circles
    }

    assert len(imports) > 400
    assert circles == set()
