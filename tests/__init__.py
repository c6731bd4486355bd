"""The tests: they mirror poptalk/ module by module."""
