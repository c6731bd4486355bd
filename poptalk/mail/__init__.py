"""A message as people read it, made from its octets: beside the raw view, never instead of it.

Python's `email` does the reading.  Whatever the octets are, nothing here raises: mail is written by
strangers, and what cannot be understood is what somebody wants to look at.
"""
