"""The practice server that a shell without a target opens: in this process, on a free loopback port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from poptalk.net.destination import BadDestination, Destination
from poptalk.practice.faults.plan import FaultError
from poptalk.practice.maildrop import MaildropError
from poptalk.practice.persona import PersonaError
from poptalk.practice.server import Server, ThreadedServer, fresh_timestamp
from poptalk.practice.settings import DEFAULT_PERSONA

if TYPE_CHECKING:
    from poptalk.net.tls_settings import TlsSettings


class PracticeDestination(Destination):
    """The practice server of this process."""

    server: Server

    def tls_settings(self) -> TlsSettings:
        """Trust the server's own authority, whose certificate is made when it is first needed."""
        from poptalk.net.tls_settings import TlsSettings

        return TlsSettings(
            server_name=self.server.host, verify=self.verify, ca_file=self.server.ca_file
        )


@contextmanager
def practice_server(
    *,
    persona: str | None = None,
    maildrop: str | None = None,
    faults: Sequence[str] = (),
    tls: bool = False,
    starttls: bool = False,
    timestamp: Callable[[], bytes] = fresh_timestamp,
    token: str | None = None,
) -> Iterator[PracticeDestination]:
    """Run a practice server as long as the context lasts.

    Args:
        persona: a name or a file, None for `DEFAULT_PERSONA`.
        maildrop: where the mail is, as `poptalk.practice.maildrop.locate` takes it; None for that of the
            lessons.
        faults: what it does wrong, as `poptalk.practice.server.Server` takes it.
        tls: whether to speak TLS from the first octet on.
        starttls: whether the client is to begin with STLS.
        timestamp: makes the APOP timestamps, as for `Server`.
        token: the OAuth access token that is right for every account, None for none.

    Raises:
        BadDestination: the persona, the folder or a fault cannot be used.
    """
    try:
        server = Server(
            persona=persona or DEFAULT_PERSONA,
            maildrop=maildrop,
            tls_port=0 if tls else None,
            timestamp=timestamp,
            token=token,
            faults=faults,
        )
    except (FaultError, PersonaError, MaildropError, FileNotFoundError) as error:
        raise BadDestination(str(error)) from error
    with ThreadedServer(server):
        port = server.tls_port if tls else server.port
        yield PracticeDestination(
            host=server.host,
            port=port or 0,
            label="practice",
            tls=tls,
            starttls=starttls,
            server=server,
        )
