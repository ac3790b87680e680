"""Training objectives, one a file, behind one contract (`magsig_tf.methods.contract`)."""
