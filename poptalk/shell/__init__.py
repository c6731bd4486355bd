"""What one types and sees: the prompt, pipes, local commands, and the lessons at the prompt.

A `Shell` (`base`) is a session with a person at the keyboard: `live` and `linear` wait for keys and
for the server each in their way, `scripted` is a pipe with local commands.  The session itself is in
`poptalk.session`; `dialogue` shows what is said, and explains it.  To find one's way:

- the prompt: `interactive` sets one up by its `settings`; `assist`,
  `history`, `keys` and `line_input` are for typing, `toolbar` for the bottom line
- without a prompt: `pipe` and `piping`, and `one_liner` for `-e` and the like
- local commands: `registry` lists them; `local` has the usual ones, `local_lesson`, `local_login`,
  `local_messages`, `local_report` and `local_seeing` the others; `escapes` and `local_secrets`
  serve them, and `logging_in` begins a login
- lessons: `learning` begins, `school` and `menu` have all of them, `companion` and `coach` accompany the
  learner, `lesson_view` shows what is said; `recording` makes a lesson of a session
"""
