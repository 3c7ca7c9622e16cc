"""The message about a release. ``docs/announcements.md`` describes it; its JSON Schema is generated from here. Pure."""

from __future__ import annotations

from typing import Literal

from builder.model.frozen import Frozen
from builder.model.recorded_fields import LayerVersionField, SchemaVersion, UtcTime, VersionField
from builder.model.runtimes import Architecture
from publisher.ledger.release import Release

Event = Literal["published", "yanked"]


class AnnouncedLayer(Frozen):
    """One layer version of the release."""

    region: str
    python: str
    architecture: Architecture
    arn: str
    sha256: str


class Announcement(Frozen):
    """One message: a release is complete in every cell and public, or it was yanked."""

    schema_version: SchemaVersion = 1
    event: Event
    account: str
    package: str
    version: VersionField
    layer_version: LayerVersionField
    time: UtcTime | None  #: when the release was completed or yanked
    reason: str | None  #: why it was yanked or rebuilt
    layers: tuple[AnnouncedLayer, ...]


def event_of(release: Release) -> Event | None:
    """Return the event to announce for a release; None while it is incomplete."""
    if release.yanked:
        return "yanked"
    return "published" if release.completed else None


def announcement_of(release: Release, event: Event) -> Announcement:
    """Return the message about a release."""
    return Announcement(
        event=event,
        account=release.account,
        package=release.package,
        version=release.version,
        layer_version=release.layer_version,
        time=release.yanked.date if release.yanked else release.completed,
        reason=release.yanked.reason if release.yanked else release.rebuild,
        layers=tuple(
            AnnouncedLayer(**cell.model_dump(include=set(AnnouncedLayer.model_fields))) for cell in release.cells
        ),
    )
