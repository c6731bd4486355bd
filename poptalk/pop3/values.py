"""Value classes for the path that every piped session takes.

A piped session is a whole process, and importing ``dataclasses`` (which imports ``inspect``) and
generating a dozen classes with it takes longer than a complete poplib session.  `Value` makes frozen,
slotted, keyword-only classes without that cost.  Type checkers see its subclasses as dataclasses
(PEP 681).  Rooms off that path use ``dataclasses`` itself.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        """Replace, at run time, the decorator that only type checkers read."""
        return lambda cls: cls


class _ValueType(type):
    """Turn the annotations of a class body into slots, and its assignments into defaults."""

    def __new__(
        mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], *, often: bool = False
    ) -> _ValueType:
        fields = tuple(body.get("__annotations__", ()))
        defaults = {field: body.pop(field) for field in fields if field in body}
        inherited = [base for base in bases if isinstance(base, _ValueType)]
        body["__slots__"] = fields
        body["_fields"] = sum((base._fields for base in inherited), ()) + fields
        body["_field_set"] = frozenset(body["_fields"])
        body["_defaults"] = {
            k: v for base in inherited for k, v in base._defaults.items()
        } | defaults
        cls = super().__new__(mcs, name, bases, body)
        if often:
            cls.__init__ = _written_out(cls)  # type: ignore[misc]
        return cls

    _fields: tuple[str, ...]
    _field_set: frozenset[str]
    _defaults: dict[str, Any]


def _written_out(cls: _ValueType) -> Callable[..., None]:
    """Return a constructor that names each field in its code, as those of ``dataclasses`` do."""
    defaults = cls._defaults
    parameters = [f"{f}=_defaults[{f!r}]" if f in defaults else f for f in cls._fields]
    lines = [f"def __init__(self, *, {', '.join(parameters)}):"]
    lines += [f"    _put_{field}(self, {field})" for field in cls._fields]
    # The slots, past `Value.__setattr__`.
    names: dict[str, Any] = {f"_put_{f}": getattr(cls, f).__set__ for f in cls._fields}
    names["_defaults"] = defaults
    exec("\n".join(lines), names)
    made: Callable[..., None] = names["__init__"]
    return made


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=True)
class Value(metaclass=_ValueType):
    """Base of the frozen, slotted, keyword-only values of the protocol core.

    A subclass whose values are made for every command says ``often=True``: its constructor is generated,
    which takes 0.1 ms once, and is three times as fast from then on.

    The module of a subclass must say ``from __future__ import annotations``, so that the annotations
    are in the class body on every version of Python.

    Raises:
        TypeError: on construction, if a field is missing or unknown.
        AttributeError: on assignment to a field.
    """

    if not TYPE_CHECKING:

        def __init__(self, **given):
            cls = type(self)
            if given.keys() != cls._field_set:
                given = {**cls._defaults, **given}
                if given.keys() != cls._field_set:
                    wrong = ", ".join(sorted(given.keys() ^ cls._field_set))
                    raise TypeError(f"{cls.__name__}: missing or unknown field: {wrong}")
            put = object.__setattr__
            for field, content in given.items():
                put(self, field, content)

        def __setattr__(self, name, _content):
            raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

        def __delattr__(self, name):
            raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted")

    def replaced(self, **changes: Any) -> Self:
        """Return a copy with some fields changed, as `dataclasses.replace` does."""
        return type(self)(**{f: getattr(self, f) for f in type(self)._fields} | changes)

    def _content(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field) for field in type(self)._fields)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._content() == other._content()

    def __hash__(self) -> int:
        return hash((type(self), self._content()))

    def __repr__(self) -> str:
        inner = ", ".join(f"{field}={getattr(self, field)!r}" for field in type(self)._fields)
        return f"{type(self).__name__}({inner})"
