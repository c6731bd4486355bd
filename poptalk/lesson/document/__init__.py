"""Reading a lesson: Markdown in, a `model.Lesson` out, or every fault with its line.

`parser` is the door; `blocks` has a reader for each thing that is special in the Markdown, and `model`
what a lesson is and what can be wrong with one.
"""
