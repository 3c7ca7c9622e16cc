"""Send the message about a release to the matrix's SNS topic, once for each state of the release."""

from __future__ import annotations

from typing import Any

from builder.model.errors import IncompleteError
from builder.model.escape import escape
from builder.model.matrix import Matrix
from publisher.announce.announcement import Announcement, announcement_of, event_of
from publisher.aws.services import client_config, service_errors
from publisher.aws.session import new_session
from publisher.ledger.folder import Ledger
from publisher.ledger.release import at_number

#: Amazon SNS quotas.
MAX_SUBJECT_CHARACTERS = 100
MAX_MESSAGE_BYTES = 262_144
#: Of the reason in a message that would be too large. JSON needs up to 6 bytes for a character.
MAX_CUT_REASON_CHARACTERS = 10_000

#: A repeated request sends the message twice, which subscribers of SNS must expect in any case.
_CONFIG = client_config(5, read_timeout_seconds=20)


def announce(matrix: Matrix, ledger: Ledger, number: int) -> None:
    """Announce a complete or yanked release, unless the ledger records that this was done.

    Raises IncompleteError if SNS does not accept the message: the next run announces it.
    """
    release = at_number(ledger.releases(), number)
    event = event_of(release) if release else None
    if matrix.announce is None or release is None or event is None or release.announced == event:
        return
    with service_errors(
        "the release is not announced",
        where=matrix.announce.topic,
        fix="create the topic, or correct `announce` in the matrix; the next run announces the release",
        permanent=IncompleteError,
    ):
        client: Any = new_session().client("sns", region_name=matrix.announce.region, config=_CONFIG)
        client.publish(TopicArn=matrix.announce.topic, **request_of(announcement_of(release, event)))
    ledger.update(number, lambda current: (current or release).model_copy(update={"announced": event}))


def request_of(announcement: Announcement) -> dict[str, Any]:
    """Return the parameters of the SNS request ``Publish``, within the quotas for any release and reason.

    SNS counts the attributes as part of the message's size.
    """
    attributes = {"event": announcement.event, "package": announcement.package, "version": announcement.version}
    available = MAX_MESSAGE_BYTES - sum(len(f"{name}String{value}".encode()) for name, value in attributes.items())
    text = announcement.model_dump_json()
    if len(text.encode()) > available:  # readers find the layers and the whole reason in the index
        reason = announcement.reason and announcement.reason[:MAX_CUT_REASON_CHARACTERS]
        text = announcement.model_copy(update={"layers": (), "reason": reason}).model_dump_json()
    subject = f"{announcement.package} {announcement.version} {announcement.event}"
    return {
        "Subject": escape(subject).encode("ascii", "replace").decode()[:MAX_SUBJECT_CHARACTERS],
        "Message": text,
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    }
