"""Lessons at the prompt: the menu, and the hands that run a lesson in a shell."""
