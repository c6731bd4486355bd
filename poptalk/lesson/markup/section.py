"""A step while it is read: what stands under its heading, and what belongs to what."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from poptalk.lesson.document import Block, BlockKind, Item, Mistake, Prose, QuizQuestion, Step


@dataclass(slots=True, kw_only=True)
class Section:
    """The introduction, or a step.

    Args:
        line: where its heading stands, from 1.
        slug: its id; None for the introduction.
        title: its heading.
        items: what was read so far.
    """

    line: int = 1
    slug: str | None = None
    title: str = ""
    items: list[Item] = field(default_factory=list)

    @property
    def last_block(self) -> Block | QuizQuestion | None:
        """The last dialogue or question so far: what a tip or a mistake is about."""
        return next(
            (item for item in reversed(self.items) if isinstance(item, Block | QuizQuestion)), None
        )

    def add_hint(self, hint: Prose) -> bool:
        """Give a hint to what it follows; False where that is neither a task nor a question."""
        about = self.last_block
        if (isinstance(about, Block) and about.kind is BlockKind.TASK) or isinstance(
            about, QuizQuestion
        ):
            self._replace(about, replace(about, hints=(*about.hints, hint)))
        else:
            return False
        return True

    def add_mistake(self, mistake: Mistake) -> bool:
        """Give a mistake to the task that it follows; False where there is none."""
        about = self.last_block
        if not isinstance(about, Block) or about.kind is not BlockKind.TASK:
            return False
        self._replace(about, replace(about, mistakes=(*about.mistakes, mistake)))
        return True

    def step(self) -> Step:
        """Return the step, once it is complete."""
        assert self.slug is not None, "the introduction is no step"
        return Step(line=self.line, slug=self.slug, title=self.title, items=tuple(self.items))

    def _replace(self, old: Item, new: Item) -> None:
        place = next(n for n, item in enumerate(self.items) if item is old)
        self.items[place] = new
