"""How a moment, a text and a structure lie in a column, the same in SQLite and PostgreSQL."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json import JSONEncoder, loads
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Integer,
    Table,
    Text,
    any_,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeDecorator, TypeEngine

Flag = Boolean(create_constraint=False).with_variant(Integer(), "sqlite")
"""Yes or no; SQLite's strict tables know only whole numbers."""


def canonical(value: object) -> str:
    """Write a value as JSON, the same text every time: sorted keys, no spaces, pure ASCII.

    What JSON has no word for (a UID object, NaN) becomes text.
    """
    try:
        return _JSON.encode(value)
    except ValueError:  # NaN or infinity, which JSON does not know
        return _JSON.encode(_finite(value))


def instant(moment: datetime) -> str:
    """Write a moment as fixed-width ISO 8601 in UTC, so that its texts sort as the moments do.

    Raises:
        ValueError: the moment bears no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be kept")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def storable(text: str) -> str:
    """Replace what a database cannot hold in a text: NUL and lone surrogates.

    A peer may send either; a fact that cannot be written would hold up all that come after it.
    """
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def bound(moment: datetime, dialect: Dialect) -> str | datetime:
    """Give a moment as this database keeps it.

    Raises:
        ValueError: the moment bears no time zone.
    """
    text = instant(moment)
    return text if dialect.name == "sqlite" else moment.astimezone(UTC)


def add_rows(connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert many rows at once, each a tuple in the order of the table's columns.

    The values must be what the database keeps: `storable` texts, `bound` moments, `canonical`
    structures. SQLite's driver gets them as they are, since having SQLAlchemy look at each value
    takes longer than SQLite does. PostgreSQL gets many rows in one statement, which SQLAlchemy
    writes (its driver alone would have the server run one statement for each row, and arrays cost
    more to write down than it saves).
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_insertion(table), rows)
    else:
        names = table.columns.keys()
        given = [dict(zip(names, row, strict=True)) for row in rows]
        connection.execute(insert(table), given)


@lru_cache(maxsize=16)
def _insertion(table: Table) -> str:
    return str(insert(table).compile(dialect=sqlite.dialect()))


def among(column: ColumnElement[str], name: str, dialect: str) -> ColumnElement[bool]:
    """Say that a column holds one of the texts that are given as `listed` under this name.

    It is one value whatever their number, so that the statement is made and compiled only once.
    """
    if dialect != "sqlite":
        return column == any_(bindparam(name, type_=ARRAY(Text)))
    texts = func.json_each(bindparam(name, type_=Text)).table_valued("value")
    return column.in_(select(texts.c.value))


def listed(texts: Sequence[str], dialect: str) -> str | list[str]:
    """Give texts as the value for `among`."""
    return canonical(texts) if dialect == "sqlite" else list(texts)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC with microseconds: ISO text in SQLite, timestamptz in PostgreSQL."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type."""
        kind = Text() if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """Turn a moment into what the database keeps."""
        if value is None:
            return None
        return bound(value, dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401
        """Turn what the database kept into a moment in UTC."""
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if dialect.name == "sqlite" else value
        return moment.astimezone(UTC)


class Plain(TypeDecorator[str]):
    """A text that either database can hold, whatever a peer has put into it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Replace what cannot be held."""
        return None if value is None else storable(value)


class Structure(TypeDecorator[Any]):
    """A mapping or a list, as canonical JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401, ARG002
        """Write it as text."""
        return None if value is None else canonical(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002
        """Read it back; lists come back as lists."""
        return None if value is None else loads(value)


def _spelled(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


_JSON = JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=_spelled)


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_finite(one) for one in value]
    return value
