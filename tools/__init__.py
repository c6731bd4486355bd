"""Programs that make the documents of the repository: `python -m tools.make_manual`, and the picture."""
