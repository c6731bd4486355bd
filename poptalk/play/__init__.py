"""A live demo: a lesson or a dialogue on a real session, typed with any keys and sent by Enter."""
