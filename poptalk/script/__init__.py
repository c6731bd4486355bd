"""Replaying a written dialogue against a server, and comparing what came with what it says."""
