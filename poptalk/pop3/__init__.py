"""What POP3 is, without input or output: bytes in, events out.

Read in this order: `commands` (the one table of commands), `replies` (status lines and response codes),
`events` (what a session can report), `redaction` (hides secrets), `sasl` (the mechanisms of AUTH),
`client` and `server` (the two cores), `explain` (what a reply means).  Nothing here opens a socket,
reads a clock or draws a random number; a test imports the package with those modules blocked.
"""
