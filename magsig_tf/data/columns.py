"""Names of the manifest's columns; imports nothing, since every worker process reads it."""

LABELS = ("benign", "malignant")
TEXT_COLUMNS = ("path", "label", "subtype", "magnification", "case", "slide", "sequence")
COLOUR_COLUMNS = ("mean_red", "mean_green", "mean_blue", "sd_red", "sd_green", "sd_blue")
MEASURED_COLUMNS = ("width", "height", "sha256", "pixel_sha256", "perceptual_hash", *COLOUR_COLUMNS)
COLUMNS = (*TEXT_COLUMNS, "width", "height", "sha256", "origin", "pixel_sha256", "perceptual_hash", *COLOUR_COLUMNS)
HASHED_COLUMNS = ("path", "label", "magnification", "case", "slide", "cohort", "pixel_sha256")
