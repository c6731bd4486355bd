"""The local commands, which begin with a colon, a module for each subject; `registry` runs them."""
