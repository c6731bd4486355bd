"""The shell: the prompt, pipes, and the local commands.

A `Shell` (`shell`) is a session with a person at the keyboard: `live` and `plain` wait for keys and for
the server, each in its own way, and `scripted` is a pipe with local commands.  `async_shell` is what
`live` shares with the page of a class: an event loop.  `view` shows what is
said, and explains it; the session itself is in `poptalk.session`.  `start` sets a prompt up.
`completion` helps while typing and keeps the history.  `script` is the way without a prompt: pipes, and
`-e` and the like.  The local commands are in `commands`, which know the shell as a type only.
"""
