"""POP3 itself, without input and output."""
