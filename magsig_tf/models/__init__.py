"""Networks: layers, encoders, heads and augmentation. Nothing here knows of data sets, folds or training."""
