"""Frozen values to plain JSON and back, and the canonical form that keys are the digest of.

One rule: a field equal to its default is omitted, so that a field added later leaves the keys of old values alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache, partial
from typing import Any, TypeVar, Union, get_args, get_origin

T = TypeVar("T")
Plain = Any  # None | bool | int | float | str | list[Plain] | dict[str, Plain]


def to_plain(value: object) -> Plain:
    """A frozen value as JSON types: dataclasses become objects without their defaults, tuples and sets become lists."""
    if type(value) is str:  # most values are; asking for the rest costs more than the rest of planning
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not _is_default(field, getattr(value, field.name))
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (frozenset, set)):
        return sorted(to_plain(item) for item in value)
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def from_plain(wanted: type[T], plain: Plain) -> T:
    """The inverse of ``to_plain`` for a known type; raises ``TypeError`` or ``KeyError`` for plain data of another
    shape.
    """
    return typing.cast("T", _reader(typing.cast("Any", wanted))(plain))


def canonical(value: object) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8, defaults omitted."""
    text = json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")  # what a build says may hold anything that JSON can


def digest(value: object) -> str:
    """sha256 of the canonical form, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _is_default(field: dataclasses.Field[Any], value: object) -> bool:
    if field.default is not dataclasses.MISSING:
        return bool(value == field.default)
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return False


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


@cache
def _fields(cls: type) -> dict[str, Callable[[Plain], Any]]:
    return {name: _reader(hint) for name, hint in _hints(cls).items()}


@cache  # what a type is made of is looked at once: ledgers have hundreds of thousands of values of a few types
def _reader(wanted: Any) -> Callable[[Plain], Any]:
    """What makes a value of that type of its plain form."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return partial(_read_union, arguments)
    if origin is tuple and arguments[1:] != (Ellipsis,):
        kinds = tuple(map(_reader, arguments))
        return lambda plain: tuple(read(item) for read, item in zip(kinds, plain, strict=True))
    if origin in (tuple, frozenset):
        each = _reader(arguments[0])
        return lambda plain: origin(map(each, plain))
    if origin is not None and issubclass(origin, Mapping):
        each = _reader(arguments[1])
        return lambda plain: {key: each(item) for key, item in plain.items()}
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return partial(_read_table, wanted)
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return wanted
    return lambda plain: plain


def _read_table(cls: type, plain: Plain) -> Any:
    fields = _fields(cls)
    return cls(**{name: fields[name](item) for name, item in plain.items()})


def _read_union(arguments: tuple[Any, ...], plain: Plain) -> Any:
    """Unions of at most one dataclass, told apart from the rest by being an object; else the first that fits."""
    if plain is None:
        return None
    for kind in arguments:
        is_table = isinstance(kind, type) and dataclasses.is_dataclass(kind)
        if is_table == isinstance(plain, dict) and kind is not type(None):
            if is_table and not set(plain) <= set(_hints(kind)):
                continue
            return _reader(kind)(plain)
    raise TypeError(f"{plain!r} is none of {arguments}")
