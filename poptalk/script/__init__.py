"""Replaying a written dialogue against a server, and comparing what came with what it says.

`hearing` puts whole replies together, `conversation` speaks with a server over a blocking link, `replay`
goes through a dialogue and tells what happens as it happens.  `transcript` shows that on a screen, and
`command` is `poptalk run`.
"""
