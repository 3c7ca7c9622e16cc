"""Announcements: one message for each state of a release, on an SNS topic of the embedded AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from publisher.announce.announcement import announcement_of
from publisher.announce.topic import request_of
from tests import REPOSITORY
from tests.conftest import ACCOUNT, Sandbox
from tests.fakes.command import SMALL, Layers
from tests.publisher.catalog.catalog_cases import catalog_matrix, recorded

TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:releases"
SCHEMA = Draft202012Validator(json.loads((REPOSITORY / "docs" / "announcement.schema.json").read_text()))


class Subscriber:
    """A queue that is subscribed to the topic."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._queues = sandbox.client("sqs", "eu-west-1")
        self._queue = self._queues.create_queue(QueueName="team")["QueueUrl"]
        self._topics = sandbox.client("sns", "eu-west-1")
        self.create_topic()

    def create_topic(self) -> None:
        self._topics.create_topic(Name="releases")
        queue_arn = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:team"
        self._topics.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=queue_arn)

    def delete_topic(self) -> None:
        self._topics.delete_topic(TopicArn=TOPIC)

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages since the last call."""
        found = self._queues.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", [])
        for each in found:
            self._queues.delete_message(QueueUrl=self._queue, ReceiptHandle=each["ReceiptHandle"])
        return [json.loads(json.loads(each["Body"])["Message"]) for each in found]


@pytest.fixture
def subscriber(sandbox: Sandbox) -> Subscriber:
    return Subscriber(sandbox)


@pytest.fixture
def layers(sandbox: Sandbox, tmp_path: Path) -> Layers:
    return Layers(tmp_path, {**SMALL, "announce": {"topic": TOPIC}})


def test_a_release_is_announced_once_when_it_is_complete(layers: Layers, subscriber: Subscriber) -> None:
    assert layers.publish("1.0", "--region", "us-east-1").code == 0
    assert subscriber.messages() == []  # eu-west-1 does not have it
    assert layers.publish("1.0").code == 0
    (message,) = subscriber.messages()
    SCHEMA.validate(message)
    assert (message["event"], message["package"], message["version"]) == ("published", "demo", "1.0")
    rows = layers("describe", "--region", "all", "--json").json
    assert {layer["arn"] for layer in message["layers"]} == {row["arn"] for row in rows}
    assert layers.publish("1.0").code == 0
    assert subscriber.messages() == []


def test_a_yank_and_its_undo_are_announced(layers: Layers, subscriber: Subscriber) -> None:
    assert layers.publish("1.0").code == 0
    subscriber.messages()
    assert layers("yank", "--layer-version", "1", "--reason", "broken", "--yes").code == 0
    (yanked,) = subscriber.messages()
    SCHEMA.validate(yanked)
    assert (yanked["event"], yanked["reason"]) == ("yanked", "broken")
    assert layers("yank", "--layer-version", "1", "--undo", "--yes").code == 0
    assert [message["event"] for message in subscriber.messages()] == ["published"]


def test_a_missing_topic_is_named_and_the_next_run_announces(layers: Layers, subscriber: Subscriber) -> None:
    subscriber.delete_topic()
    ended = layers.publish("1.0")
    assert ended.code == 5
    assert TOPIC in ended.err
    assert "NotFound" in ended.err
    assert "create the topic" in ended.err
    assert "run the same command again" not in ended.err
    assert layers("audit").code == 0  # the release itself is complete
    subscriber.create_topic()
    assert layers.publish("1.0").code == 0
    assert [message["event"] for message in subscriber.messages()] == ["published"]


RELEASE = announcement_of(recorded(catalog_matrix(), 1, "1.0"), "published")


@settings(max_examples=20)
@given(
    st.text(min_size=1, max_size=128),
    st.text(min_size=1, max_size=20),
    st.sampled_from([0, 1, 9_999, 40_000, 262_100, 262_144 - len(RELEASE.model_dump_json()), 300_000]),
)
def test_every_message_is_within_the_quotas_of_sns(version: str, letters: str, length: int) -> None:
    reason = (letters * (length // len(letters) + 1))[:length]
    request = request_of(RELEASE.model_copy(update={"version": version, "reason": reason}))
    attributes = request["MessageAttributes"].items()
    words = [request["Message"], *(part for name, value in attributes for part in (name, *value.values()))]
    assert sum(len(word.encode()) for word in words) <= 262_144
    assert len(request["Subject"]) <= 100
    assert request["Subject"].isascii()
    assert request["Subject"].isprintable()
    SCHEMA.validate(json.loads(request["Message"]))
    assert reason.startswith(json.loads(request["Message"])["reason"])
