"""Runs from before there were recipes beside runs of today: what they differ in."""

from types import SimpleNamespace

from magsig_tf.config import BEFORE_RECIPES
from magsig_tf.config_files import build_config
from magsig_tf.runs.matrix import Group, differing, told_apart


def group(label, **settings):
    run = SimpleNamespace(settings=settings, seedless=False, record=SimpleNamespace(unused_settings=[]))
    return Group(label, "0" * 8, label, "source", "frozen", ("40X", "100X"), {("40X", 0, 0): run})


def stored(**raw):
    return build_config(raw).flat()


def test_a_run_of_before_has_the_settings_of_the_plain_recipe():
    plain = stored(recipe="plain")
    old = {key: value for key, value in plain.items() if key not in {"recipe", *BEFORE_RECIPES}}
    assert differing(group("new", **plain), group("old", **old)) == {}
    strong = stored(recipe="strong")
    assert "head_start" in differing(group("strong", **strong), group("old", **old))


def test_the_values_that_a_recipe_gives_tell_runs_apart_and_its_name_does_not():
    spelled = stored(recipe="strong", **{key: stored(recipe="plain")[key] for key in (*BEFORE_RECIPES, "early_stop")})
    assert differing(group("spelled", **spelled), group("plain", **stored(recipe="plain"))) == {}
    words = told_apart([group("strong", **stored(recipe="strong")), group("plain", **stored(recipe="plain"))])
    assert "head_start random" in words["plain"]
    assert "head_start auto" in words["strong"]
    assert "recipe" not in words["strong"]
