"""The local commands, which begin with a colon, a module for each subject.

`registry` runs them, and `general` has the table of all; `escapes` reads what `:send` takes.
"""
