"""From a finished run to a model that another program can call: export, its check, prediction, explanation, card."""
