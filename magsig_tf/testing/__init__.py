"""What authors of plugins test theirs with; magsig's own tests use it too."""

from magsig_tf.testing.method_checks import CHECKS, check_method
from magsig_tf.testing.method_trial import MethodTrial

__all__ = ["CHECKS", "MethodTrial", "check_method"]
