"""Certificates of an authority of the test's own, by the openssl program."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """Paths of the authority's certificate, and of the server's with its key."""

    authority: Path
    certificate: Path
    key: Path


def issue(folder: Path, name: str, *, host: str) -> Certificate:
    """A new authority, and a certificate of it for ``host``."""
    assert shutil.which("openssl"), "these tests need the openssl program"
    made = Certificate(folder / f"{name}-ca.crt", folder / f"{name}.crt", folder / f"{name}.key")
    authority_key = folder / f"{name}-ca.key"
    fresh = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    _openssl(*fresh, "-subj", f"/CN={name} authority", "-keyout", str(authority_key), "-out", str(made.authority))
    signed = ("-addext", "basicConstraints=CA:FALSE", "-CA", str(made.authority), "-CAkey", str(authority_key))
    named = ("-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}")
    _openssl(*fresh, *named, *signed, "-keyout", str(made.key), "-out", str(made.certificate))
    return made


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
