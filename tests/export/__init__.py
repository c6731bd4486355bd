"""Tests of the documents that are made of dialogues and lessons."""
