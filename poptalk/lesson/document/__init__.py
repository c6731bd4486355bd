"""Reading a lesson: Markdown in, a `model.Lesson` out, or every fault with its line.

`parser` reads the document; `blocks` has a reader for each thing that is special in the Markdown, and
`model` says what a lesson is and what can be wrong with one.
"""
