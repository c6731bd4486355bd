"""Tests of the shell: in this process, and as a whole process behind a pipe or a terminal."""
