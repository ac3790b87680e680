"""One set of checks runs over every registered method and over throw-away ones: what makes a method."""

from pathlib import Path

import pytest

from magsig_tf.registry import registry
from magsig_tf.testing import CHECKS, MethodTrial

THROW_AWAY = ("mixstyle:MixStyle", "sam:Sam", "mixup:Mixup", "swad:Swad")
METHODS = [*registry("methods").names(), *(f"tests.methods.throw_away.{name}" for name in THROW_AWAY)]


@pytest.fixture(scope="module", params=METHODS, ids=lambda name: name.rpartition(":")[2])
def trial(request, tmp_path_factory):
    return MethodTrial(request.param, tmp_path_factory.mktemp("trial"))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_method_keeps_the_contract(trial, check):
    check(trial)


@pytest.mark.parametrize("name", THROW_AWAY)
def test_a_throw_away_method_takes_at_most_thirty_lines(name):
    file = Path(__file__).parent / "throw_away" / f"{name.partition(':')[0]}.py"
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 30
