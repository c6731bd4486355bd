"""The server core, without input and output.

Begin with `session`: a driver gives it octets and acts on the events that it returns.
"""
