"""JSON to values and back: strict on the way in, camelCase on the wire.

Commands are read strictly: unknown fields, wrong types, wrong enum values and null where it is not allowed are
refused with the JSON path of the first fault. Events that were written are read leniently: fields that a newer version
added are left out. Decoding is compiled once a class; only a failure is decoded again, with paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, NoReturn, TypeVar, Union, cast, get_args, get_origin

import attrs
import orjson
from cattrs import AttributeValidationNote, ClassValidationError, Converter, ForbiddenExtraKeysError, transform_error
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.preconf.orjson import OrjsonConverter

from .errors import InvalidCommand
from .scalars import kind_of, register_scalars
from .values import MAX_ATTACHMENTS, UNSET, Attachment, MessageAttachment, StoredAttachment, Unset

T = TypeVar("T")


def camel_case(name: str) -> str:
    """The wire form of a `snake_case` name."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def to_json(value: object) -> Any:
    """A command, event, snapshot or any other value of the contract as JSON data, camelCase."""
    return _strict().unstructure(value)


def dump_json(value: object) -> str:
    """`to_json(value)` as JSON text without spaces.

    Raises:
        ValueError: the value holds what JSON cannot: a lone surrogate, an integer beyond 64 bits.
    """
    return orjson.dumps(_strict().unstructure(value)).decode()


def read_strictly(data: object, cls: type[T], *, command_id: str | None = None) -> T:
    """`data` as a `cls`, nothing unknown, missing or mistyped in it.

    Raises:
        InvalidCommand: names the first field that is at fault.
    """
    try:
        return _strict().structure(data, cls)
    except Exception:  # whatever a hook met: the slow converter below reports what and where
        _explain(data, cls, command_id, strict=True)


def read_leniently(data: object, cls: type[T]) -> T:
    """`data`, once written by this or a newer version, as a `cls`; unknown fields are left out.

    Raises:
        ValueError: a known field is missing or mistyped; the message has its JSON path.
    """
    try:
        return _lenient().structure(data, cls)
    except Exception:  # as above
        try:
            _explain(data, cls, None, strict=False)
        except InvalidCommand as error:
            raise ValueError(str(error)) from None


def _explain(data: object, cls: type[Any], command_id: str | None, *, strict: bool) -> NoReturn:
    try:
        _detailed(strict).structure(data, cls)
    except ClassValidationError as error:
        first = transform_error(error, path="$", format_exception=_fault)[0]
        fault, _, path = first.rpartition(" @ ")
        raise InvalidCommand(_wire_path(path), fault, command_id=command_id) from None
    except Exception as error:
        raise InvalidCommand("$", _fault(error, None), command_id=command_id) from None
    raise InvalidCommand("$", "a known field is mistyped", command_id=command_id)


def _wire_path(path: str) -> str:
    return ".".join(camel_case(part) for part in path.removeprefix("$.").split(".")) or "$"


def _fault(error: BaseException, _expected: object) -> str:
    match error:
        case ForbiddenExtraKeysError():
            return "unknown field " + ", ".join(repr(name) for name in sorted(error.extra_fields))
        case KeyError():
            return "required field is missing"
        case _:
            return str(error) or type(error).__name__


def _make_converter(*, strict: bool, detailed: bool) -> Converter:
    converter = OrjsonConverter(detailed_validation=detailed, forbid_extra_keys=strict, prefer_attrib_converters=False)
    register_scalars(converter)
    converter.register_structure_hook_factory(_is_optional, lambda cls: _optional_hook(converter, cls))
    converter.register_structure_hook_factory(_is_literal, _literal_hook)
    converter.register_structure_hook_factory(
        lambda cls: cls == MessageAttachment, lambda _: _attachment_hook(converter)
    )
    converter.register_structure_hook_factory(_is_tuple, lambda cls: _tuple_hook(converter, cls))
    converter.register_structure_hook_factory(attrs.has, lambda cls: _class_hook(converter, cls, strict=strict))
    converter.register_unstructure_hook_factory(attrs.has, lambda cls: _class_writer(converter, cls))
    return converter


@cache
def _strict() -> Converter:
    return _make_converter(strict=True, detailed=False)


@cache
def _lenient() -> Converter:
    return _make_converter(strict=False, detailed=False)


@cache
def _detailed(strict: bool) -> Converter:
    return _make_converter(strict=strict, detailed=True)


def _class_hook(converter: Converter, cls: type[Any], *, strict: bool) -> Callable[[Any, Any], Any]:
    names: Any = {field.name: override(rename=camel_case(field.name)) for field in attrs.fields(cls)}
    structure = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=strict, **names)
    required = tuple(
        (field.name, camel_case(field.name)) for field in attrs.fields(cls) if _is_default_of_constructor(cls, field)
    )

    def read(data: Any, expected: Any) -> Any:
        if type(data) is not dict and not isinstance(data, Mapping):  # asking an abstract class is slow
            raise ValueError(f"expected an object, found {kind_of(data)}")
        for name, wire_name in required:
            if wire_name not in data:
                raise _missing(cls, name)
        return structure(cast("Mapping[str, Any]", data), expected)

    return read


def _missing(cls: type[Any], name: str) -> ClassValidationError:
    """What cattrs raises for a missing field, so that the fault is found under the field's path."""
    absent = KeyError(name)
    absent.add_note(AttributeValidationNote(f"Structuring class {cls.__name__} @ attribute {name}", name, None))
    return ClassValidationError(f"While structuring {cls.__name__}", [absent], cls)


def _class_writer(converter: Converter, cls: type[Any]) -> Callable[[Any], Any]:
    names: Any = {
        field.name: override(
            rename=camel_case(field.name),
            omit_if_default=field.default is UNSET or _is_omittable(cls, field),
        )
        for field in attrs.fields(cls)
    }
    return make_dict_unstructure_fn(cls, converter, **names)


def _is_default_of_constructor(cls: type[Any], field: attrs.Attribute[Any]) -> bool:
    """A default that spares Python callers a word; on the wire the field is required."""
    return field.default not in (attrs.NOTHING, UNSET) and not _is_omittable(cls, field)


def _is_omittable(cls: type[Any], field: attrs.Attribute[Any]) -> bool:
    """An optional field of a class that is a bag of optional fields (event metadata) is left out when None."""
    return field.default is None and all(other.default is None for other in attrs.fields(cls))


def _is_optional(cls: Any) -> bool:
    return get_origin(cls) in (Union, UnionType) and (Unset in get_args(cls) or type(None) in get_args(cls))


def _optional_hook(converter: Converter, cls: Any) -> Callable[[Any, Any], Any]:
    members = tuple(member for member in get_args(cls) if member not in (Unset, type(None)))
    inner = members[0] if len(members) == 1 else Union[members]  # noqa: UP007 - a union of a tuple has no X | Y form
    structure = converter.get_structure_hook(inner)
    if type(None) not in get_args(cls):
        return lambda data, _: structure(data, inner)
    return lambda data, _: None if data is None else structure(data, inner)


def _attachment_hook(converter: Converter) -> Callable[[Any, Any], Any]:
    """An attachment with a digest is a stored one, any other has its bytes."""
    stored = converter.get_structure_hook(StoredAttachment)
    inline = converter.get_structure_hook(Attachment)

    def read(data: Any, _: Any) -> Any:
        if isinstance(data, Mapping) and "digest" in data:
            return stored(data, StoredAttachment)
        return inline(data, Attachment)

    return read


def _is_tuple(cls: Any) -> bool:
    return get_origin(cls) is tuple


def _tuple_hook(converter: Converter, cls: Any) -> Callable[[Any, Any], Any]:
    member = get_args(cls)[0]
    members: Any = list[member]  # type: ignore[valid-type]  # the member is known at run time only
    structure = converter.get_structure_hook(members)
    limit = MAX_ATTACHMENTS if member == MessageAttachment else None

    def read(data: Any, _: Any) -> Any:
        if not isinstance(data, list | tuple):
            raise ValueError(f"expected a list, found {kind_of(data)}")
        if limit is not None and len(data) > limit:
            raise ValueError(f"at most {limit} are allowed, found {len(data)}")
        return tuple(structure(data, members))

    return read


def _is_literal(cls: Any) -> bool:
    return get_origin(cls) is Literal


def _literal_hook(cls: Any) -> Callable[[Any, Any], Any]:
    members = frozenset(get_args(cls))

    def read(data: Any, _: Any) -> Any:
        if not isinstance(data, str) or data not in members:
            raise ValueError(f"expected one of {', '.join(sorted(members))}; found {data!r}")
        return data

    return read
