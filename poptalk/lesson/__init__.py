"""Lessons: the documents, the tutor that runs them, and the proof that they work.

The tutor does no input or output: told what happened, it answers with what to do.  The prompt and
`lessons check` are thin drivers around one and the same tutor.  Where to look:

- The document: `document` reads one; `library` finds lessons; `author` is for those who write them.
- The tutor: `runner` goes through the steps, `task` is what the learner does in one, `session` has the
  connection, and knows what must be sent again after a lost one.  `actions` holds what the tutor wants
  done, the events that it is told, and what it knows of the session by them.
- What the tutor says: `judge` gives verdicts, `feedback` has the sentences.
- The drivers: `driver` carries actions out in order, for the prompt (`ui`) and the dry run (`verify`).
- `server` is the lesson's own practice server with its mailbox, one for a class, or a live one;
  `outside` follows other programs that connect to it; `progress` keeps what was done.
"""
