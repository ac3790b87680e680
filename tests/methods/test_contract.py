"""One set of checks runs over every registered method and over throw-away ones: what makes a method."""

from pathlib import Path

import pytest

from magsig_tf.registry import registry
from magsig_tf.testing import CHECKS, EXACT_CHECKS, ExactTrial, MethodTrial, check_exact_method, check_method
from magsig_tf.training.planning import is_exact

THROW_AWAY = ("mixstyle:MixStyle", "sam:Sam", "mixup:Mixup", "swad:Swad")
EXACT = [name for name in registry("methods").names() if is_exact(name)]
STEPPED = [name for name in registry("methods").names() if name not in EXACT]
METHODS = [*STEPPED, *(f"tests.methods.throw_away.{name}" for name in THROW_AWAY)]


TRAINS_AGAIN = ("repeats_by_seed", "survives_a_kill")
"""Checks that train whole runs of their own: of most methods they are left to the slow tests."""
QUICK = ("grl", "sam:Sam")


def cases():
    for name in METHODS:
        for check in CHECKS:
            slow = check.__name__ in TRAINS_AGAIN and not name.endswith(QUICK)
            identity = f"{name.rpartition(':')[2]}-{check.__name__}"
            yield pytest.param(name, check, marks=[pytest.mark.slow] if slow else [], id=identity)


@pytest.fixture(scope="module")
def trial_of(tmp_path_factory):
    """Return the trial of a method, made once however the tests are ordered."""
    made = {}

    def trial(name):
        if name not in made:
            made[name] = MethodTrial(name, tmp_path_factory.mktemp("trial"))
        return made[name]

    return trial


@pytest.mark.parametrize(("name", "check"), list(cases()))
def test_a_method_keeps_the_contract(trial_of, name, check):
    check(trial_of(name))


@pytest.mark.parametrize("check", EXACT_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", EXACT)
def test_an_exact_method_keeps_the_contract(tmp_path, name, check):
    check(ExactTrial(name, tmp_path))


def test_erasure_as_published_keeps_it_too():
    check_exact_method("erasure", erase="plain")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grl", "gan"])
def test_a_method_keeps_the_contract_with_the_strong_recipe(name):
    # the encoders of the checks are not pretrained: auto would start at random
    check_method(name, recipe="strong", head_start="linear")


@pytest.mark.parametrize("name", THROW_AWAY)
def test_a_throw_away_method_takes_at_most_thirty_lines(name):
    file = Path(__file__).parent / "throw_away" / f"{name.partition(':')[0]}.py"
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 30
