"""A live demo: a lesson or a dialogue on a real session, typed with any keys and sent by Enter.

`start` finds what is shown, and the server; `dialogue` makes a lesson of a dialogue.  `demo` hosts it,
and `controller` is the lesson's controller with one more pair of hands: `script` says what they type,
`keys` which key does what, `pace` plays by itself.  `stage` is the part of the screen that is used,
`notes` what the speaker reads in a second terminal.
"""
