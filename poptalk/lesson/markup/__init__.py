"""What is special in the Markdown of a lesson, a reader for each.

`source` holds the lines and gathers faults; `headings`, `fences`, `quotes`, `choices` and `comments`
each take one kind of block out of the text; `section` puts them together to a step; `placeholders`
looks at the whole afterwards.  `poptalk.lesson.reader` calls them in turn.
"""
