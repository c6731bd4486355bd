"""Walks through the lessons by somebody who makes the likely mistakes.

`mistakes` are made from what a lesson awaits, `learner` types them at a live shell and reads the screen,
`rules` say what must hold of it, and `walk` is the way through a lesson.
"""
