"""A Sigstore instance with its own keys: certificate authority, certificate log and transparency log.

It attests files like ``actions/attest`` in a GitHub workflow; the Sigstore client verifies them with ``trusted_root``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ISSUER = "https://token.actions.githubusercontent.com"
_FULCIO = "1.3.6.1.4.1.57264.1."
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ORIGIN = "rekor.example"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_spki(key)).digest()


def _sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def _utf8(text: str) -> bytes:
    return bytes([0x0C, len(text)]) + text.encode("ascii")


class SigstoreInstance:
    """An instance with new keys; each test makes one."""

    def __init__(self) -> None:
        self._ca, self._ct, self._rekor = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self._now = datetime.now(timezone.utc).replace(microsecond=0)
        self._ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self._ca_certificate = (
            x509.CertificateBuilder(self._ca_name, self._ca_name, self._ca.public_key(), 1)
            .not_valid_before(self._now - timedelta(days=1))
            .not_valid_after(self._now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._ca.public_key()), critical=False)
            .sign(self._ca, hashes.SHA256())
        )

    def trusted_root(self) -> str:
        """Return the instance's ``trusted_root.json``."""
        certificate = {"rawBytes": _b64(self._ca_certificate.public_bytes(serialization.Encoding.DER))}
        authority = {
            "subject": {"organization": "example", "commonName": "authority"},
            "certChain": {"certificates": [certificate]},
            "validFor": {"start": "2020-01-01T00:00:00Z"},
        }
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [self._log(self._rekor)],
                "certificateAuthorities": [authority],
                "ctlogs": [self._log(self._ct)],
                "timestampAuthorities": [],
            }
        )

    def attest(self, sha256: str, repository: str, workflow: str = ".github/workflows/release.yml") -> dict[str, Any]:
        """Return the bundle by which a workflow of a repository attests the file with this sha256."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._leaf(key, f"https://github.com/{repository}", workflow)
        kind = "application/vnd.in-toto+json"
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "layer.zip", "digest": {"sha256": sha256}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {},
        }
        payload = json.dumps(statement).encode()
        signature = _sign(key, b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload))
        entry = self._log_entry(certificate, payload, signature)
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": _b64(certificate.public_bytes(serialization.Encoding.DER))},
                "tlogEntries": [entry],
            },
            "dsseEnvelope": {
                "payload": _b64(payload),
                "payloadType": kind,
                "signatures": [{"sig": _b64(signature)}],
            },
        }

    @staticmethod
    def _log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
        return {
            "baseUrl": "https://log.example",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": _b64(_spki(key)),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": {"start": "2020-01-01T00:00:00Z"},
            },
            "logId": {"keyId": _b64(_key_id(key))},
        }

    def _leaf(self, key: ec.EllipticCurvePrivateKey, source: str, workflow: str) -> x509.Certificate:
        """Return the workflow's certificate with the signature of the certificate log (RFC 6962)."""
        identity = f"{source}/{workflow}@refs/heads/main"
        builder = (
            x509.CertificateBuilder(self._ca_name, x509.Name([]), key.public_key(), 2)
            .not_valid_before(self._now - timedelta(minutes=5))
            .not_valid_after(self._now + timedelta(minutes=5))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca.public_key()), critical=False)
            .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
            .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{_FULCIO}8"), _utf8(ISSUER)), False)
            .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{_FULCIO}12"), _utf8(source)), False)
        )
        milliseconds = int(self._now.timestamp() * 1000)

        def signed_with(scts: bytes) -> x509.Certificate:
            return builder.add_extension(x509.UnrecognizedExtension(_SCT_LIST, scts), False).sign(
                self._ca, hashes.SHA256()
            )

        log_id = _key_id(self._ct)
        draft = signed_with(_sct_list(log_id, milliseconds, b"\0" * 70)).tbs_precertificate_bytes
        signed = struct.pack("!BBQH", 0, 0, milliseconds, 1) + _key_id(self._ca)
        signed += struct.pack("!I", len(draft))[1:] + draft + b"\0\0"
        return signed_with(_sct_list(log_id, milliseconds, _sign(self._ct, signed)))

    def _log_entry(self, certificate: x509.Certificate, payload: bytes, signature: bytes) -> dict[str, Any]:
        """Return the only entry of a transparency log."""
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        spec = {
            "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(b"envelope").hexdigest()},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            "signatures": [{"signature": _b64(signature), "verifier": _b64(pem)}],
        }
        body = json.dumps({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}).encode()
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"{_ORIGIN}\n1\n{_b64(root)}\n"
        log_id, second = _key_id(self._rekor), int(self._now.timestamp())
        checkpoint = _b64(log_id[:4] + _sign(self._rekor, note.encode()))
        promise = {"body": _b64(body), "integratedTime": second, "logID": log_id.hex(), "logIndex": 0}
        canonical = json.dumps(promise, sort_keys=True, separators=(",", ":")).encode()
        return {
            "logIndex": "0",
            "logId": {"keyId": _b64(log_id)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(second),
            "inclusionPromise": {"signedEntryTimestamp": _b64(_sign(self._rekor, canonical))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": _b64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\u2014 {_ORIGIN} {checkpoint}\n"},
            },
            "canonicalizedBody": _b64(body),
        }


def _sct_list(log_id: bytes, milliseconds: int, signature: bytes) -> bytes:
    """Return a list of one signed certificate timestamp (RFC 6962, 3.3) as an OCTET STRING."""
    sct = struct.pack("!B32sQH", 0, log_id, milliseconds, 0) + struct.pack("!BBH", 4, 3, len(signature)) + signature
    listed = struct.pack("!HH", len(sct) + 2, len(sct)) + sct
    return bytes([0x04, 0x81, len(listed)] if len(listed) > 127 else [0x04, len(listed)]) + listed
