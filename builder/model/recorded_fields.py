"""Field types of files that are read back. They reject values that later steps could not process."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import lru_cache
from typing import Annotated, Any, Literal

from packaging.version import Version
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, Strict

#: The years that every time zone and file format of the program can express.
_YEARS = range(1970, 9000)


def _utc(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise ValueError(f"the year {moment.year} is not between {_YEARS[0]} and {_YEARS[-1]}")
    return moment.astimezone(timezone.utc)


def _whole(value: Any) -> Any:
    if type(value) is not int:
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _time(value: Any) -> Any:
    if isinstance(value, (int, float)) or (isinstance(value, str) and not re.match(r"\d{4}-", value)):
        raise ValueError(f"{value!r:.40} is not an ISO 8601 time")  # pydantic reads it as seconds since 1970
    return value


@lru_cache(maxsize=1024)
def _version(text: str) -> str:
    Version(text)
    return text


UtcTime = Annotated[AwareDatetime, BeforeValidator(_time), AfterValidator(_utc)]
_PYTHON, _REGION = r"[0-9]{1,2}\.[0-9]{1,3}", r"[a-z]{2,10}(-[a-z0-9]{1,20}){2,4}"
_TARGET = rf"py{_PYTHON}-(x86_64|aarch64)"
PythonField = Annotated[str, Field(pattern=f"^{_PYTHON}$")]
RegionField = Annotated[str, Field(pattern=f"^{_REGION}$")]
TargetField = Annotated[str, Field(pattern=f"^{_TARGET}$")]
#: A cell: its region and target id.
CellField = Annotated[str, Field(pattern=f"^{_REGION}/{_TARGET}$")]
#: A package version. PEP 440 has no limit, but Python reads no number of more than 4,300 digits.
MAX_VERSION_LENGTH = 128
VersionText = Annotated[str, Field(min_length=1, max_length=MAX_VERSION_LENGTH)]
VersionField = Annotated[VersionText, AfterValidator(_version)]
#: Number of a layer version: AWS counts in 64 bits.
LayerVersionField = Annotated[int, Field(ge=1, lt=2**63, strict=True)]
#: A count or a size. JSON's ``true``, ``1.0`` and ``"1"`` are refused; pydantic reads each of them as 1.
WholeNumber = Annotated[int, Field(ge=0, strict=True)]
#: A number, not ``true``, not ``"1"`` and not ``NaN``, which is no JSON.
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
#: JSON's ``true`` or ``false``. pydantic also reads ``1``, ``"yes"`` and ``"on"`` as true.
TrueOrFalse = Annotated[bool, Strict()]
#: The version of a document's schema. ``True`` and ``1.0`` equal 1, so ``Literal`` alone accepts them.
SchemaVersion = Annotated[Literal[1], BeforeValidator(_whole)]
