"""Every check fails on a method that breaks what it checks."""

import pytest

from magsig_tf.errors import MagsigError
from magsig_tf.testing import CHECKS, MethodTrial, check_method, method_checks
from tests.testing import faulty_methods


@pytest.mark.parametrize(
    ("method", "check"),
    [
        ("OfOneReplica", "takes_the_same_first_step_on_two_replicas"),
        ("Forgetful", "survives_a_kill"),
        ("Unseeded", "repeats_by_seed"),
        ("ChangedNetwork", "saves_a_plain_model"),
        ("OtherStart", "starts_as_the_baseline"),
        ("Cloned", "starts_as_the_baseline"),
        ("HeadOnly", "takes_the_same_first_step_on_two_replicas"),
        ("IdleNetwork", "trains_every_part"),
        ("Silent", "learns"),
        ("Peeking", "adapts_without_labels"),
    ],
)
def test_a_fault_is_found_by_its_check(tmp_path, method, check):
    trial = MethodTrial(getattr(faulty_methods, method), tmp_path)
    # what training itself refuses needs no second check
    with pytest.raises(MagsigError if method in ("ChangedNetwork", "Cloned") else AssertionError):
        getattr(method_checks, check)(trial)


def test_each_check_has_a_fault(request):
    (mark,) = test_a_fault_is_found_by_its_check.pytestmark
    assert {check for _, check in mark.args[1]} == {check.__name__ for check in CHECKS}


def test_the_message_names_method_and_check(monkeypatch):
    check = method_checks.takes_the_same_first_step_on_two_replicas
    monkeypatch.setattr(method_checks, "CHECKS", (check,))
    with pytest.raises(AssertionError, match=rf"OfOneReplica, {check.__name__}: .*step\.gather"):
        check_method(faulty_methods.OfOneReplica)
