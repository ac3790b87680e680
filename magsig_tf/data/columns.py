"""Names of the manifest's columns; imports nothing, since every worker process reads it."""

LABELS = ("benign", "malignant")
TEXT_COLUMNS = ("path", "label", "subtype", "magnification", "case", "slide", "sequence")
COLOUR_COLUMNS = ("mean_red", "mean_green", "mean_blue", "sd_red", "sd_green", "sd_blue")
MEASURED_COLUMNS = ("width", "height", "sha256", "pixel_sha256", "perceptual_hash", *COLOUR_COLUMNS)
COLUMNS = (*TEXT_COLUMNS, "width", "height", "sha256", "origin", "pixel_sha256", "perceptual_hash", *COLOUR_COLUMNS)
COPY_COLUMNS = ("split_case", "copy_group")
"""What copies decide: the case under which an image is split, and the first image that it is a copy of."""
HASHED_COLUMNS = ("path", "label", "magnification", "case", "slide", "cohort", "pixel_sha256", "embedding_sha256")
EMBEDDED_COLUMNS = (*TEXT_COLUMNS, "origin", "pixel_sha256", "embedding_sha256")
"""Columns of every data set of embeddings; where its images are not known, `pixel_sha256` is that of the embedding."""
ENCODER_PART = "encoder_part"
"""What an image was to the training of the encoder that embedded it: "train", "validation", or empty for nothing."""
OWN_COLUMNS = (*MEASURED_COLUMNS, *COPY_COLUMNS, "embedding_sha256", ENCODER_PART)
"""Columns that magsig calculates: a table that has one of them keeps it under another name."""
