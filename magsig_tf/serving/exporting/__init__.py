"""From a finished run to a served model, checked before it is in its place."""
