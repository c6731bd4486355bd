"""One session with a server, which every command drives: see `session` for who calls what."""
