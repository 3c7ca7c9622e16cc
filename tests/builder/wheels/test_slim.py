"""Slim layers: botocore keeps the data of the needed services, and the rest of the layer is unchanged."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from builder.inspection.inspector import inspect_zip
from builder.model.errors import InputError
from builder.model.progress import Quiet
from builder.pipeline.build import build
from builder.wheels.slim import services_of_clients
from publisher.cli.group import layers
from tests.fakes.wheels import make_wheel, matrix_of

SERVICES = ("bedrock-runtime", "dynamodb", "ec2", "s3", "sagemaker-runtime", "sqs", "sso", "sso-oidc", "signin", "sts")
AGENT = """
def clients(session, name):
    return session.client("s3"), session.client(
        service_name="bedrock-runtime", region_name=name
    ), session.client(name)
"""


@pytest.fixture
def index(index: Path) -> Path:
    data = {f"botocore/data/{service}/2020-01-01/service-2.json.gz": b"data" * 50 for service in SERVICES}
    make_wheel(index, "botocore", files={**data, "botocore/data/endpoints.json": "{}", "botocore/LICENSE": "words"})
    make_wheel(index, "boto3", files={"boto3/doc.py": "boto3.client('ec2')\n"}, requires=("botocore",))
    make_wheel(index, "demo", files={"demo/agent.py": AGENT}, requires=("boto3",))
    return index


def services_in(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        parts = [name.split("/") for name in archive.namelist() if name.startswith("python/botocore/data/")]
    return {each[3] for each in parts if len(each) > 4}


CREDENTIALS = {"signin", "sso", "sso-oidc", "sts"}


@pytest.mark.parametrize(("slim", "more"), [(True, set()), ({"services": ["sqs"]}, {"sqs"})])
def test_the_data_of_needed_services_is_kept(slim: object, more: set[str], index: Path, tmp_path: Path) -> None:
    full, small = matrix_of("demo"), matrix_of("demo", slim=slim)
    (before,) = build(full, "1.0", full.targets, tmp_path / "full", Quiet()).artifacts
    (after,) = build(small, "1.0", small.targets, tmp_path / "small", Quiet()).artifacts
    assert services_in(tmp_path / "full" / before.file) == set(SERVICES)
    kept = {"s3", "bedrock-runtime", *CREDENTIALS, *more}
    assert services_in(tmp_path / "small" / after.file) == kept
    with (
        zipfile.ZipFile(tmp_path / "full" / before.file) as one,
        zipfile.ZipFile(tmp_path / "small" / after.file) as two,
    ):
        others = {name for name in one.namelist() if not any(f"/data/{each}/" in name for each in set(SERVICES) - kept)}
        assert set(two.namelist()) == {*others, "python/botocore-1.0.dist-info/SLIM.txt"}
    inspection = inspect_zip(tmp_path / "small" / after.file, small.targets[0])
    assert [each for each in inspection.findings if "record" in each.code] == []
    assert set(inspection.slim_services or ()) == kept
    assert inspect_zip(tmp_path / "full" / before.file).slim_services is None
    assert after.sbom
    sbom = json.loads((tmp_path / "small" / after.sbom).read_bytes())
    (botocore,) = [each for each in sbom["components"] if each["name"] == "botocore"]
    (note,) = [each["value"] for each in botocore["properties"] if each["name"] == "layers:slim"]
    assert note == f"without the data of all services but {', '.join(sorted(kept))}"


def test_a_slim_build_does_not_change_later_full_builds(index: Path, tmp_path: Path) -> None:
    full, small = matrix_of("demo"), matrix_of("demo", slim=True)
    first = build(full, "1.0", full.targets, tmp_path / "full", Quiet())
    assert build(small, "1.0", small.targets, tmp_path / "full", Quiet()) != first
    assert build(full, "1.0", full.targets, tmp_path / "full", Quiet()) == first


def test_an_unknown_service_is_refused(index: Path, tmp_path: Path) -> None:
    matrix = matrix_of("demo", slim={"services": ["dynamo-db", "s3"]})
    with pytest.raises(InputError, match="botocore has no service dynamo-db"):
        build(matrix, "1.0", matrix.targets, tmp_path / "out", Quiet())


@pytest.mark.parametrize(
    ("source", "services"),
    [
        (b"boto3.client('s3')", {"s3"}),
        (b'session.resource(\n    "dynamodb",\n    region_name="x")', {"dynamodb"}),
        (b"create_client( service_name = 'sqs')", {"sqs"}),
        (b"kwargs = dict(service_name='ec2')", {"ec2"}),
        (b"boto3.client(name)", set()),
        (b"my_client('s3')", set()),
    ],
)
def test_services_are_found_where_clients_are_created(source: bytes, services: set[str]) -> None:
    assert services_of_clients([source]) == services


def test_an_app_keeps_the_services_of_its_own_clients(index: Path, tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "handler.py").write_text("import boto3\ntable = boto3.resource('dynamodb')\n")
    (app / "requirements.txt").write_text("demo\n")
    command = ["package", str(app), "--python", "3.12", "--arch", "x86_64", "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(layers, [*command, "--slim", "--service", "sqs", "--no-bytecode"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    kept = {"s3", "bedrock-runtime", "dynamodb", "sqs", *CREDENTIALS}
    assert services_in(tmp_path / "out" / "dependencies.zip") == kept
    with zipfile.ZipFile(tmp_path / "out" / "dependencies.zip") as archive:
        assert not [name for name in archive.namelist() if name.endswith(".pyc")]
