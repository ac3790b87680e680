"""From a finished run to a model that another program can call: export, prediction, explanation, model card."""
