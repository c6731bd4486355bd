"""Lessons: the documents, the tutor that runs them, and the proof that they work.

`document` holds what a lesson is and `reader` reads one.  `tutor` runs it: told what happened
(`happenings`), it answers with what is to be done (`cues`), and does no input or output itself, so
that the shells and `lessons check` are thin drivers around one and the same tutor.
"""
