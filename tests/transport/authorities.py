"""Certificates that tests make for themselves, and servers that show them."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import trustme

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
COMPANY = "Sample Company"


class Authority:
    """One authority, known to whoever trusts the file ``bundle``."""

    def __init__(self, folder: Path, name: str = COMPANY) -> None:
        self._ca = trustme.CA(organization_name=name, organization_unit_name="Proxies")
        self.bundle = str(folder / f"{name.replace(' ', '-')}.pem")
        self._ca.cert_pem.write_to_path(self.bundle)

    def issue(
        self, *names: str, until: dt.datetime | None = None, since: dt.datetime | None = None
    ) -> trustme.LeafCert:
        """Return a certificate for some hosts."""
        return self._ca.issue_cert(*names, not_before=since, not_after=until)

    def server(
        self, *names: str, until: dt.datetime | None = None, since: dt.datetime | None = None
    ) -> ssl.SSLContext:
        """Return what a server with such a certificate speaks."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.issue(*names, until=until, since=since).configure_cert(context)
        return context
