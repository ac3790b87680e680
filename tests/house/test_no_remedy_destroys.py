"""No remedy tells a user to remove anything: what magsig could not read may be sound, and cannot be had back."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house.test_import_direction import MODULES

DESTROYS = re.compile(r"\b(remove|delete|erase|wipe|discard|rm -r\w*)\b", re.IGNORECASE)


def said(tree: ast.Module) -> list[str]:
    """Return every text of a module that is no documentation."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    documentation |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [node.value for node in texts if id(node) not in documentation]


def destroying(tree: ast.Module) -> list[str]:
    """Return the texts of a module that tell to remove something; words alone are names of options and methods."""
    sentences = [text for text in said(tree) if " " in text.strip()]
    return [text for text in sentences if DESTROYS.search(text)]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_tells_nobody_to_remove_anything(name):
    assert destroying(ast.parse(MODULES[name].read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("text", ["Remove the run's folder and repeat", "or delete {path} first", "rm -rf workspace"])
def test_what_is_looked_for_is_found(text):
    assert destroying(ast.parse(f"raise RunError('expected', 'found', {text!r})"))
    assert destroying(ast.parse(f"remedy = f{text!r}"))


def test_documentation_may_speak_of_it():
    assert not destroying(ast.parse('def f():\n    """Remove what was left."""\n    g()\n'))
