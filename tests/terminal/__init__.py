"""Tests of poptalk.terminal: what a person sees."""
