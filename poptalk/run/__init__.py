"""`poptalk run`: replaying a dialogue against a server, and comparing what comes.

`run` is the command, `server` provides the server, `replay` goes through a dialogue and reports what
happens as it happens, `report` shows that on the screen and as JUnit XML.
"""
