"""The site of the documentation has right links and loads nothing from a network."""

from __future__ import annotations

import importlib.util

import pytest

from tests.house.documentation import ROOT


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "site_hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("place", "written", "expected"),
    [
        ("index.md", "[data](docs/data.md)", "[data](data.md)"),
        ("index.md", "[why](docs/decisions/README.md#here)", "[why](decisions/README.md#here)"),
        ("index.md", "[change](CONTRIBUTING.md)", "[change](contributing.md)"),
        ("numbers.md", "[why](decisions/017-interval-kind.md)", "[why](decisions/017-interval-kind.md)"),
        ("decisions/007-x.md", "[extend](../extending.md)", "[extend](../extending.md)"),
        ("decisions/007-x.md", "[rules](../../CONTRIBUTING.md)", "[rules](../contributing.md)"),
        ("benchmarks.md", "[speed](../docs/performance.md)", "[speed](performance.md)"),
        ("index.md", "[paper](https://arxiv.org/abs/2604.25817)", "[paper](https://arxiv.org/abs/2604.25817)"),
        ("numbers.md", "[below](#intervals)", "[below](#intervals)"),
    ],
)
def test_links_of_the_checkout_become_links_of_the_site(hooks, place, written, expected):
    assert hooks.site_links(written, place) == expected


@pytest.mark.parametrize(
    ("suffix", "text", "loads"),
    [
        (".html", '<script src="https://unpkg.com/shim"></script>', ["https://unpkg.com/shim"]),
        (".html", '<link rel="stylesheet" href="//fonts.example/a.css">', ["//fonts.example/a.css"]),
        (".html", '<p style="background: url(https://a.example/b.png)">', ["https://a.example/b.png"]),
        (".html", '<img src="images/a.svg"><a href="https://a.example">read</a>', []),
        (".html", '<link rel="canonical" href="https://a.example">', []),
        (".css", "@import 'https://a.example/b.css';", ["https://a.example/b.css"]),
        (".css", "a { background: url(data:image/svg+xml;utf8,http://www.w3.org/2000/svg) }", []),
    ],
)
def test_a_load_from_another_host_is_found(hooks, suffix, text, loads):
    assert hooks.external_loads(text, suffix) == loads


def test_a_site_with_such_a_load_is_refused(hooks, tmp_path):
    (tmp_path / "a.html").write_text('<script src="mine.js"></script>')
    hooks.on_post_build({"site_dir": str(tmp_path)})
    (tmp_path / "b.html").write_text('<script src="https://unpkg.com/shim"></script>')
    with pytest.raises(SystemExit, match=r"b\.html: https://unpkg\.com/shim"):
        hooks.on_post_build({"site_dir": str(tmp_path)})


def test_the_pages_from_outside_docs_exist(hooks):
    assert all((ROOT / source).is_file() for source in hooks.PAGES)
