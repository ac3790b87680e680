"""Result frames drawn as tables. Draws only: every number comes from `magsig_tf.evaluation`."""
