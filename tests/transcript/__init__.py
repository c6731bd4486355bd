"""The notation, module by module."""
