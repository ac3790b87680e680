"""SAM (Foret et al. 2021): the gradient is taken where the objective is largest near the weights."""

import tensorflow as tf
from pydantic import Field

from magsig_tf.methods.contract import Method, MethodOptions


class SamOptions(MethodOptions):
    sam_radius: float = Field(0.05, gt=0, description="sam: how far the weights are moved uphill")


class Sam(Method):
    Options = SamOptions

    def gradients(self, objective, variables):
        uphill, _ = objective()
        length = tf.linalg.global_norm(uphill) + 1e-12
        return objective(moved_by=[self.options.sam_radius * gradient / length for gradient in uphill])
