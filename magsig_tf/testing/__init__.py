"""What authors of plugins test theirs with; magsig's own tests use it too."""

from magsig_tf.testing.method_checks import CHECKS, MethodTrial, check_method

__all__ = ["CHECKS", "MethodTrial", "check_method"]
