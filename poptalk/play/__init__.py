"""A live demo: a lesson or a dialogue on a real session, typed with any keys and sent by Enter.

`start` finds what is shown, and its server; `dialogue` makes a lesson of a dialogue.  `demo` is the
host, and `controller` is the lesson's controller with one more pair of hands: `script` says what is
typed, `keys` which key does what, `pace` plays by itself.  `stage` is the part of the screen that is
used, and `notes` what the speaker reads in a second terminal.
"""
