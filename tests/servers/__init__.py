"""Servers and terminals that the tests of the whole project stand on.

`dovecot` runs a real POP3 server.  `scripted` plays a fixed list of steps, hostile ones too, and
`recording` answers everything and keeps exactly the bytes that it was sent; both stand on
`loopback`.  `certificates` makes certificates, sound ones and each way of being wrong.  `terminal`
gives the tests a screen to read, in this process or behind a real pseudo-terminal.  Nothing here
contacts anything but the loopback interface.
"""
