"""The lesson and the board as web pages, for pupils who have only a browser.

A page is another kind of prompt: tutor, judge and session are those of the terminal, and what is typed
goes to the class's own server.  Nothing is loaded from elsewhere, and nothing has to be built.

- `site` is the web server (aiohttp, `poptalk[web]`): what it serves, who may come in, what pages may do.
- `pupils` knows who has joined, and lets them come back.
- `shell` is a pupil's prompt, `page` what it shows, `prose` the lesson's text as a tree of elements.
- `static` is what the browser gets.  Text that people wrote only ever becomes text nodes.
"""
