"""The local commands, which begin with a colon, a module for each subject.

`registry` runs them, and reads what `:send` takes; `general` has the table of all.
"""
