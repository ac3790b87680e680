"""What authors of plugins test theirs with; magsig's own tests use it too."""

from magsig_tf.testing.exact_checks import EXACT_CHECKS, ExactTrial, check_exact_method
from magsig_tf.testing.method_checks import CHECKS, MethodTrial, check_method

__all__ = ["CHECKS", "EXACT_CHECKS", "ExactTrial", "MethodTrial", "check_exact_method", "check_method"]
