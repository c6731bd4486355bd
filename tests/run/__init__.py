"""`poptalk run`."""
