"""A class: a practice server for many learners, and a board that shows who is stuck.

Pupils are judged at the server, by the lesson's own tutor, so that whatever they connect with counts.

- `server` lays a lesson out for a server of a class; `room` is that server with its pupils.
- `pupils` knows whose each connection is; `pupil` is one of them, with a tutor.
- `view` holds the values that a board shows.
"""
