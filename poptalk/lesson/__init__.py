"""Lessons: the documents, the tutor that runs them, and the proof that they work.

The tutor does no input or output itself: told what happened, it answers with what is to be done.  So
the shells and `lessons check` are thin drivers around one and the same tutor.  Where to look:

- The document: `document` is what a lesson is, and `reader` reads one, with `front_matter` and
  `markup`; `errors` and `codes` are what can be wrong (`faults.toml`).  `shelf` finds lessons,
  `listing` lists them.
- For authors: `new_lesson` and `skeleton` begin one, `recording` and `recorded_lesson` make one of a
  session, `watch` and `preview` show it.  `command` and `options` are `poptalk lessons`.
- Between driver and tutor: `happenings` go in, `cues` come out.  `driver` carries the cues out, in
  their order, for the prompt and for the dry run alike; `second_connection` runs a `pop3 proof`.
- The tutor: `tutor` does the steps, `task` what the learner does, and `session` has the connection,
  all three as parts of one flow (`walk`).
- What the tutor knows: `turns` of a dialogue, the state of the session (`seen`), what must be sent again
  (`replaying`).  `judge` gives verdicts.
- What the tutor says: `remarks` on a line, `situations` of a session, hints (`ladder`), a `report`.
- What is kept: the `bookkeeper` makes events, `progress` stores and reads them.
- The server: a `room`, which is the lesson's own `classroom` with its `mailbox`, or a live one.
- The proof: `rehearsal` is the dry run, without a screen, and `proof` tries everything in it.
"""
