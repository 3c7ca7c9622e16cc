"""Fuzzing: records, manifests, indexes, responses and ARNs are read or refused by name, whatever they contain."""

from __future__ import annotations

import json
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import strategies as st

from builder.model.artifact import Artifact, Locked, Manifest, read_manifest, write_manifest
from builder.model.errors import InputError, LayersError
from builder.model.runtimes import Architecture
from publisher.audit.attestation import read_bundles, verify_attestation
from publisher.aws.gateway import GatewayError
from publisher.aws.responses import LayerSource, grants, published_version
from publisher.aws.signing import is_signed
from publisher.catalog.arn import find
from publisher.catalog.index import make_index
from publisher.catalog.index_source import read_index
from publisher.catalog.lookup import Query, select
from publisher.followers.catalog_files import catalog_files
from publisher.ledger.folder import parse_record, record_bytes
from publisher.reconcile.artifact_facts import facts_of
from publisher.reconcile.sources import unzipped_size
from publisher.watch.index_fetch import IndexPage
from publisher.watch.index_pages import InvalidPageError, read_page
from publisher.watch.package_index import group
from tests.fakes.fuzzing import damaged, fuzz, mutated
from tests.fakes.sigstore_instance import SigstoreInstance
from tests.publisher.catalog.catalog_cases import catalog_matrix, history

MATRIX = catalog_matrix()
HISTORY = history(MATRIX)
INDEX = make_index(MATRIX, HISTORY)
RECORD = json.loads(record_bytes(HISTORY[0]))


def test_any_record_is_read_or_refused_and_what_is_read_can_be_documented() -> None:
    def parse(data: bytes) -> None:
        with suppress(LayersError):
            release = parse_record(data, "0001", "ledger/0001.json", MATRIX)
            catalog_files(make_index(MATRIX, [release]))

    fuzz(damaged(RECORD).map(lambda each: json.dumps(each).encode()) | mutated(json.dumps(RECORD).encode()), parse)


def test_any_index_is_read_or_refused_and_what_is_read_can_be_searched(tmp_path: Path) -> None:
    path = tmp_path / "layers.json"
    document = json.loads(INDEX.model_dump_json())

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(LayersError):
            index = read_index(str(path))
            select(index, Query(("us-east-1",)))
            find(index, "arn:aws:lambda:us-east-1:123456789012:layer:demo:1")

    fuzz(damaged(document).map(lambda each: json.dumps(each).encode()) | mutated(json.dumps(document).encode()), parse)


def test_any_arn_is_found_or_refused() -> None:
    arn = INDEX.releases[0].layers[0].arn
    edited = mutated(arn.encode(), (b":", b"1" * 5000, "２".encode(), b"\x1b[31m")).map(
        lambda b: b.decode("utf-8", "replace")
    )

    def parse(text: str) -> None:
        with suppress(LayersError):
            find(INDEX, text)

    fuzz(st.text() | edited, parse)


def test_any_manifest_is_read_or_refused_and_what_is_read_can_be_recorded(tmp_path: Path) -> None:
    locked = Locked(name="a", version="1.0", filename="a-1.0-py3-none-any.whl", sha256="0" * 64)
    artifact = Artifact(
        target="py3.12-x86_64", python="3.12", architecture=Architecture.X86_64, layer_name="demo", file="a.zip",
        sha256="0" * 64, size=1, unzipped_size=2, interpreter="3.12.1", lock=(locked,), sbom="a.cdx.json",
        sbom_sha256="0" * 64,
    )  # fmt: skip
    write_manifest(tmp_path, Manifest(package="demo", version="1.0", artifacts=(artifact,)))
    path = tmp_path / "manifest.json"
    document = json.loads(path.read_bytes())

    def parse(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(LayersError):
            for each in read_manifest(tmp_path).artifacts:
                facts_of(tmp_path, each, MATRIX.targets[0])

    fuzz(damaged(document).map(lambda each: json.dumps(each).encode()) | mutated(json.dumps(document).encode()), parse)


def test_a_zip_that_python_cannot_read_is_refused_and_has_no_signature(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("python/a.py", b"")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"PK\x01\x02\x14\x03\x14", b"PK\x01\x02\x14\x03\xff"))  # needs version 25.5
    with pytest.raises(InputError, match="zip file version"):
        unzipped_size(path)
    assert not is_signed(path)


def test_any_response_about_a_layer_version_is_parsed_or_rejected() -> None:
    version = {
        "LayerVersionArn": "arn:aws:lambda:us-east-1:123456789012:layer:demo:1", "Version": 1,
        "CreatedDate": "2026-01-01T00:00:00.000+0000", "CompatibleRuntimes": ["python3.12"],
        "Content": {"CodeSha256": "A" * 43 + "=", "CodeSize": 1, "SigningProfileVersionArn": "x"},
    }  # fmt: skip
    statement = {
        "Sid": "x", "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::123456789012:root"]},
        "Action": ["lambda:GetLayerVersion"], "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
    }  # fmt: skip

    def parse(response: dict[str, object]) -> None:
        with suppress(GatewayError):
            published_version(LayerSource("us-east-1", "demo"), response)

    def parse_policy(policy: object) -> None:
        with suppress(GatewayError):
            grants({"Policy": json.dumps(policy)})

    fuzz(damaged(version), parse)
    fuzz(damaged({"Statement": [statement]}), parse_policy)


def test_any_page_of_a_package_index_gives_versions_or_is_invalid() -> None:
    time = "2026-01-01T00:00:00Z"
    file = {"filename": "a-1.0-py3-none-any.whl", "requires-python": ">=3.8", "yanked": "bad", "upload-time": time}
    document = {"meta": {"api-version": "1.1"}, "files": [file, {"filename": "a-2.0.tar.gz", "url": "x", "hashes": {}}]}
    html = (
        b'<base href="x"><a href="https://example.org/a-1.0-py3-none-any.whl#sha256=0" data-yanked="bad" '
        b'data-requires-python="&gt;=3.8">a-1.0-py3-none-any.whl</a><a href="a-2.0.tar.gz">x</a>'
    )
    words = (b"<a ", b"href=", b"&#x110000;", b"<!--", b"<![CDATA[", b"http://[", b"%ff", b"1" * 5000)

    def parse(page: IndexPage) -> None:
        with suppress(InvalidPageError):
            for each in group("a", read_page(page)):
                assert each.name
                assert each.uploaded is None or each.uploaded.tzinfo
                each.targets_without_wheel(MATRIX.targets)

    json_page = "application/vnd.pypi.simple.v1+json"
    fuzz(damaged(document).map(lambda each: IndexPage(json.dumps(each).encode(), json_page)), parse)
    fuzz(mutated(html, words).map(lambda body: IndexPage(body, "text/html")), parse)


def test_no_damaged_attestation_proves_another_file(tmp_path: Path) -> None:
    instance = SigstoreInstance()
    path, root = tmp_path / "bundle.json", tmp_path / "root.json"
    root.write_text(instance.trusted_root())
    bundle = instance.attest("1" * 64, "owner/name")

    def parse(document: object) -> None:
        path.write_text(json.dumps(document))
        with pytest.raises(LayersError):
            verify_attestation("0" * 64, read_bundles(path), "owner/name", root, offline=True)

    fuzz(damaged({"attestations": [{"bundle": bundle}]}) | damaged(bundle), parse)
