"""The lesson and the board as web pages, for pupils who have only a browser.

A page is one more pair of hands: the tutor, the judge and the session are those of the prompt, and what
is typed goes to the class's own server.  Nothing is loaded from outside, and nothing has to be built.

- `site` is the server: what there is, who may come in, what the pages may do (aiohttp, `poptalk[web]`).
- `pupils` knows who has joined, and lets them come back.
- `shell` is a pupil's prompt, `page` what it shows, `prose` the lesson's text as a tree of elements.
- `static` is what the browser gets.  Text that comes from people is only ever made into text nodes.
"""
