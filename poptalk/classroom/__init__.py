"""A class: a practice server for many learners, and a board that shows who is stuck."""
