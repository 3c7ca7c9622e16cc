"""Verify with Sigstore that a GitHub workflow of one repository attested a zip (SLSA provenance)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.model.errors import DriftError, InputError
from builder.model.escape import shorten
from builder.model.file_access import read_file
from publisher.catalog.download import download

if TYPE_CHECKING:
    from sigstore.verify import Verifier
    from sigstore.verify.policy import VerificationPolicy

#: The issuer of the identity tokens of GitHub's workflows.
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
_IN_TOTO = "application/vnd.in-toto+json"
_MAX_BUNDLE_BYTES = 8 << 20
_MAX_BUNDLES = 100


@dataclass(frozen=True)
class Provenance:
    """The origin of an attested zip, from its signature's certificate."""

    repository: str  #: ``https://github.com/OWNER/NAME``
    workflow: str  #: the workflow file with its ref


_BUNDLE_FIX = "give the file that `gh attestation download` writes"


def read_bundles(path: Path) -> list[Any]:
    """Return the Sigstore bundles of a file: one, JSON Lines (``gh attestation download``), or GitHub's list."""
    return _bundles(read_file(path, "the bundle", _MAX_BUNDLE_BYTES, _BUNDLE_FIX), str(path))


def fetch_bundles(repository: str, sha256: str) -> list[Any]:
    """Return the bundles that GitHub has for a zip. ``GH_TOKEN`` or ``GITHUB_TOKEN`` is used for private ones."""
    api = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    token = os.environ.get("GH_TOKEN") or os.environ.get("GITHUB_TOKEN")
    address = f"{api}/repos/{repository}/attestations/sha256:{sha256}"
    headers = {"Accept": "application/vnd.github+json", **({"Authorization": f"Bearer {token}"} if token else {})}
    return _bundles(download(address, "the attestation", headers), address)


def _bundles(data: bytes, where: str) -> list[Any]:
    try:
        try:
            documents = [json.loads(data)]
        except ValueError:
            documents = [json.loads(line) for line in data.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a Sigstore bundle: invalid JSON ({error})", where=where, fix=_BUNDLE_FIX) from None
    return list(_unwrap(documents))[:_MAX_BUNDLES]


def _unwrap(documents: Sequence[Any]) -> Iterator[Any]:
    for document in documents:
        entries = document.get("attestations") if isinstance(document, dict) else document
        if isinstance(entries, list):
            yield from (each.get("bundle", each) if isinstance(each, dict) else each for each in entries)
        else:
            yield document


def verify_attestation(
    sha256: str, bundles: Sequence[Any], repository: str, trusted_root: Path | None, *, offline: bool
) -> Provenance:
    """Return the zip's origin from the first bundle that proves it. Raises DriftError if no bundle does.

    ``repository``: the only ``OWNER/NAME`` whose workflows are accepted. ``trusted_root``: the keys of another Sigstore
    instance than the public one. ``offline``: use the keys that are on this machine, without refreshing them.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}", repository):
        raise InputError(f"{repository!r} is not a GitHub repository", where="--repository", fix="write OWNER/NAME")
    if not bundles:
        raise DriftError(
            f"there is no attestation of {repository} for this zip",
            where=f"sha256:{sha256}",
            fix="check --repository; without an attestation, only `layers verify ARN` can check the bytes",
        )
    verifier = _verifier(trusted_root, offline)
    failures = []
    for document in bundles:
        verified = _verify_one(sha256, document, verifier, repository)
        if isinstance(verified, Provenance):
            return verified
        failures.append(verified)
    raise DriftError(
        f"no attestation proves that {repository} built this zip: {'; '.join(dict.fromkeys(failures))}",
        where=f"sha256:{sha256}",
        fix="do not use this layer; tell its publisher",
    )


def _verify_one(sha256: str, document: Any, verifier: Verifier, repository: str) -> Provenance | str:
    """Return the zip's origin, or why this bundle does not prove it."""
    from cryptography import x509
    from sigstore.errors import Error as SigstoreError
    from sigstore.models import Bundle

    try:
        bundle = Bundle.from_json(json.dumps(document))
        kind, payload = verifier.verify_dsse(bundle, _policy(repository))
    except (SigstoreError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return shorten(f"{type(error).__name__}: {error}")
    if kind != _IN_TOTO or sha256 not in _subjects(payload):
        return "an attestation is of another file"
    names = bundle.signing_certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    workflow = names.get_values_for_type(x509.UniformResourceIdentifier)
    return Provenance(_address(repository), workflow[0] if workflow else "")


def _subjects(payload: bytes) -> set[str]:
    """Return the sha256 of every subject of an in-toto statement."""
    try:
        statement = json.loads(payload)
        return {str(subject["digest"]["sha256"]) for subject in statement["subject"]}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return set()


def _address(repository: str) -> str:
    return f"https://github.com/{repository}"


def _policy(repository: str) -> VerificationPolicy:
    """Return the policy that accepts only certificates for workflows of this repository."""
    from sigstore.verify.policy import AllOf, OIDCIssuerV2, OIDCSourceRepositoryURI

    return AllOf([OIDCIssuerV2(GITHUB_ISSUER), OIDCSourceRepositoryURI(_address(repository))])


def _verifier(trusted_root: Path | None, offline: bool) -> Verifier:
    try:
        from sigstore.errors import Error as SigstoreError
        from sigstore.models import TrustedRoot
        from sigstore.verify import Verifier
    except ModuleNotFoundError as error:
        raise InputError(
            f"the Sigstore client is not installed ({error.name})", fix="pip install 'strands-layers[attestations]'"
        ) from None
    try:
        if trusted_root is not None:
            return Verifier(trusted_root=TrustedRoot.from_file(str(trusted_root)))
        return Verifier.production(offline=offline)
    except (SigstoreError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"cannot load Sigstore's trusted root: {shorten(f'{type(error).__name__}: {error}')}",
            where=str(trusted_root) if trusted_root else None,
            fix="check the network, or verify offline with --bundle FILE",
        ) from None
