"""The server core, without input and output.

`session` is the door; a driver gives it octets and carries out the events that it returns.
"""
