"""Two servers' views of one mailbox, side by side: for migrations.

`survey` holds what one server says of a mailbox, `verdicts` compares two of them, and neither knows a
socket; `reading` asks a server, and changes nothing there.
"""
