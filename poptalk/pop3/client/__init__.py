"""The client core, without input and output, and what a reply means.

`session` takes octets and gives events; `explain` says in words what a reply says.
"""
