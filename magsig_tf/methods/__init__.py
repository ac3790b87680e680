"""Training objectives, one per file, behind one contract (`magsig_tf.methods.contract`)."""
