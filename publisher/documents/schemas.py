"""The JSON Schemas of the files and ``--json`` documents that others read, generated from the classes.

``python -m publisher.documents.schemas docs`` writes them; a test compares them with those in ``docs/``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from builder.model.artifact import Manifest
from builder.model.file_access import write_atomically
from builder.model.matrix import Matrix
from builder.model.strict_json import dump_json
from builder.smoke.smoke_test import SmokeReport
from publisher.announce.announcement import Announcement
from publisher.audit.live_state import LiveRow
from publisher.catalog.index import Index, Row
from publisher.documents.command_documents import (
    AuditDocument,
    CacheDocument,
    CanaryDocument,
    DocsDocument,
    ErrorDocument,
    PlanDocument,
    PublishDocument,
    ReproducedTarget,
    SyncDocument,
    TargetRow,
    VerifyDocument,
    YankDocument,
)
from publisher.documents.tool_documents import (
    InfraFilesDocument,
    InfraTemplate,
    InspectDocument,
    NamedVersionDocument,
    PackageDocument,
    WatchDocument,
)
from publisher.ledger.release import Release

_MODELS: dict[str, tuple[Any, str]] = {
    "layers.schema.json": (Index, "layers.json: every release and every ARN, newest first"),
    "announcement.schema.json": (Announcement, "The message about a release on the matrix's SNS topic"),
    "build.schema.json": (Manifest, "layers build --json, and manifest.json"),
    "describe.schema.json": (
        list[Row] | list[LiveRow],
        "layers describe --json: one row for each layer; with --live the second form",
    ),
    "docs.schema.json": (DocsDocument, "layers docs --json"),
    "plan.schema.json": (PlanDocument, "layers plan --json"),
    "publish.schema.json": (PublishDocument, "layers publish --json"),
    "canary.schema.json": (CanaryDocument, "layers canary --json"),
    "audit.schema.json": (AuditDocument, "layers audit --json"),
    "yank.schema.json": (YankDocument, "layers yank --json"),
    "sync.schema.json": (SyncDocument, "layers sync --json"),
    "verify.schema.json": (VerifyDocument, "layers verify --json"),
    "targets.schema.json": (list[TargetRow], "layers targets --json"),
    "reproduce.schema.json": (list[ReproducedTarget], "layers reproduce --json"),
    "cache.schema.json": (CacheDocument, "layers cache --json"),
    "inspect.schema.json": (InspectDocument, "layers inspect --json"),
    "smoke.schema.json": (list[SmokeReport], "layers smoke --json: one report for each zip"),
    "package.schema.json": (PackageDocument, "layers package --json"),
    "watch.schema.json": (WatchDocument | NamedVersionDocument, "layers watch --json"),
    "infra.schema.json": (InfraFilesDocument | InfraTemplate, "layers infra --json"),
    "error.schema.json": (ErrorDocument, "--json of every command that fails before its result"),
    "ledger.schema.json": (Release, "A record of the ledger: one release"),
}


def schemas() -> dict[str, str]:
    """Return the JSON Schema (draft 2020-12) of each file, by file name.

    Every key is required, because the schemas describe what the program writes; only the matrix is read.
    """
    texts = {}
    dialect = "https://json-schema.org/draft/2020-12/schema"
    for name, (model, title) in _MODELS.items():
        schema = TypeAdapter(model).json_schema(mode="serialization")
        texts[name] = dump_json({"$schema": dialect, **schema, "title": title})
    matrix = Matrix.model_json_schema(mode="validation")
    texts["matrix.schema.json"] = dump_json({"$schema": dialect, **matrix, "title": "layer_matrix.yaml"})
    return texts


if __name__ == "__main__":
    for name, text in schemas().items():
        write_atomically(Path(sys.argv[1]) / name, text.encode())
