"""What one types and sees: the prompt, pipes, local commands, and the lessons at the prompt.

A `Shell` (`base`) is a dialogue with somebody at the keyboard: `live` and `linear` wait for keys and
for the server each in their way, `scripted` is a pipe with local commands.  `dialogue` shows and logs
what is said.  To find one's way:

- the prompt: `interactive` sets one up by its `options`, and `usage` speaks of wrong ones; `assist`,
  `history`, `keys` and `line_input` are for typing, `facts` and `toolbar` for the bottom line
- without a prompt: `pipe` and `piping`, and `one_liner` for `-e` and the like
- what was said: `kept` is the last reply; `recent`, `capability_book`, `log`, `json_log`, `explaining`
- local commands: `registry` lists them; `local` has the usual ones, `local_lesson`, `local_login`,
  `local_messages`, `local_report` and `local_seeing` the others; `escapes`, `local_error` and
  `local_secrets` serve them
- lines that poptalk sends by itself: `errand`, and on it `begin_tls` and `logging_in`
- lessons: `learning` begins, `school` and `menu` have all of them, `companion` and `coach` accompany the
  learner, `lesson_view` shows what is said; `recording` makes a lesson of a session
"""
