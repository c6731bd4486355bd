"""`poptalk run`: replaying a written dialogue against a server, and comparing.

`run` is the command, `server` provides what it runs against, `replay` goes through a dialogue and
reports what happens as it happens, `report` shows that on a screen and as JUnit XML.
"""
