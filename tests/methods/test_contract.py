"""One set of checks runs over every registered method and over throw-away ones: what makes a method."""

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
