"""A class: a practice server for many learners, and a board that shows who is stuck.

Pupils are judged at the server, by the lesson's own tutor, so that whatever they connect with counts.

- `command` is `poptalk class`.
- `server` prepares a lesson for the server of a class, also for `poptalk serve --lesson`; `room` is that
  server with its pupils.
- `connection` is one connection; `pupils` knows whose each is; `pupil` is one pupil, with a tutor.
- `view` holds the values that a board shows, `board` draws them, `screen` puts that on a terminal, and
  `report` prints lines instead.
- `web` is the lesson and the board as web pages.
- `results` keeps what was done; `rehearsal` plays pupils.
"""
