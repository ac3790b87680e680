"""Imports go one way: what a module may know depends on the folder it lies in (CONTRIBUTING.md has the table)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ALLOWED = {
    "root": {"root"},
    "statistics": {"root", "statistics"},
    "linear_models": {"root", "statistics", "linear_models"},
    "data": {"root", "statistics", "data"},
    "runs": {"root", "data", "runs"},
    "models": {"root", "statistics", "linear_models", "data", "models"},
    "methods": {"root", "statistics", "linear_models", "data", "models", "methods"},
    "execution": {"root", "data", "models", "execution"},
    "gan": {"root", "statistics", "linear_models", "data", "models", "execution", "gan"},
    "training": {
        "root",
        "statistics",
        "linear_models",
        "data",
        "runs",
        "models",
        "methods",
        "execution",
        "gan",
        "training",
    },
    "testing": {
        *("root", "statistics", "data", "runs", "models", "methods", "execution", "gan", "training", "testing")
    },
    "serving": {"root", "statistics", "data", "runs", "models", "serving"},
    "evaluation": {"root", "statistics", "linear_models", "data", "runs", "evaluation"},
    "signatures": {"root", "statistics", "linear_models", "data", "runs", "evaluation", "signatures"},
    "report": {"root", "statistics", "data", "runs", "evaluation", "signatures", "report"},
    "configs": set(),
}
ALLOWED["workflows"] = {*ALLOWED, "workflows"}
ALLOWED["cli"] = {*ALLOWED, "cli"}
# where a module that imports TensorFlow at its top would make every command slow, or tie a table to a network library
NO_TENSORFLOW = {*ALLOWED} - {"models", "execution", "gan", "training", "testing", "serving"}
TENSORFLOW = {"tensorflow", "keras"}


def house_of(module: str) -> str:
    """Return the folder that a dotted magsig module belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ALLOWED else "root"


def our_modules() -> dict[str, Path]:
    found = {}
    for folder, package in (
        (ROOT / "magsig_tf", "magsig_tf"),
        (ROOT / "cli", "magsig_tf.cli"),
        (ROOT / "configs", "magsig_tf.configs"),
    ):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([package, *(part for part in parts if part != "__init__")])] = path
    return found


MODULES = our_modules()


def imported_by(name: str, nodes: Iterator[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted module) of every import among `nodes`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively; write the whole name"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole in MODULES else node.module


def at_import_time(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that run when a module is imported: no function bodies, no `if TYPE_CHECKING`."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_what_its_folder_may(name):
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    wrong = [
        f"{MODULES[name].relative_to(ROOT)}:{line} imports {imported}"
        for line, imported in imported_by(name, ast.walk(tree))
        if imported.split(".")[0] == "magsig_tf" and house_of(imported) not in ALLOWED[house_of(name)]
    ]
    assert not wrong


def test_no_files_import_each_other_directly_or_in_a_circle():
    imports = {
        name: {
            imported
            for _, imported in imported_by(name, ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
            if imported in MODULES and imported != name
        }
        for name, path in MODULES.items()
    }
    while leaves := [name for name, others in imports.items() if not others & imports.keys()]:
        for name in leaves:
            del imports[name]
    assert not imports, "each of these imports another one of them, or leads to one that does"


def test_no_folder_has_more_than_fifteen_modules_but_the_command_line():
    modules = Counter(path.parent for path in MODULES.values() if path.name != "__init__.py")
    assert not {str(folder): number for folder, number in modules.items() if number > 15 and folder != ROOT / "cli"}


@pytest.mark.parametrize("name", [name for name in MODULES if house_of(name) in NO_TENSORFLOW])
def test_a_module_does_not_load_tensorflow_when_imported(name):
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    loaded = [
        imported for _, imported in imported_by(name, at_import_time(tree)) if imported.split(".")[0] in TENSORFLOW
    ]
    assert not loaded


def test_nothing_else_names_the_installed_command_line_as_top_level():
    tops = {
        imported.split(".")[0]
        for name in MODULES
        for _, imported in imported_by(name, ast.walk(ast.parse(MODULES[name].read_text())))
    }
    assert not tops & {"cli", "configs", "tests", "benchmarks"}


def test_what_a_training_plans_with_leaves_tensorflow_to_be_loaded_with_its_switches():
    # `load_tensorflow` sets them, and is called once the runs are planned
    code = (
        "import sys, magsig_tf.training.run, magsig_tf.training.mlflow_runs, magsig_tf.gan.fold\n"
        "print(sorted({'keras', 'tensorflow'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
