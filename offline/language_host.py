# ruff: noqa: N802 - method names are those of the protocol
"""`pulumi-language-python` for a machine that cannot download the official one.

It serves Pulumi's LanguageRuntime protocol with the server that the SDK uses for inline programs of the Automation API,
and runs the project's program in its directory. README.md in this folder lists the differences from the official host.
"""

from __future__ import annotations

import os
import queue
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

# Secrets and rendered files can be larger than gRPC's default of 4 MiB; the engine itself allows 400 MB.
_MESSAGE_LIMIT = 400 * 1024 * 1024


class ProgramHost(LanguageServer):
    """Runs the Python program of a Pulumi project in this process."""

    def __init__(self, stopped: threading.Event) -> None:
        super().__init__(lambda: None)
        self._stopped = stopped

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=version("pulumi"))

    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        # The environment is created from the lock files before this host can start.
        yield language_pb2.InstallDependenciesResponse(stdout=b"dependencies: `make env` creates .venv\n")

    def GetProgramDependencies(self, request: Any, context: grpc.ServicerContext) -> Any:
        return language_pb2.GetProgramDependenciesResponse()

    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:
        directory = Path(request.info.program_directory or request.pwd)
        entry = directory / (request.info.entry_point or ".")

        def program() -> None:
            runpy.run_path(str(entry), run_name="__main__")

        os.chdir(request.pwd or directory)
        sys.path.insert(0, str(directory))
        self.program = program
        try:
            response: Any = super().Run(request, context)  # type: ignore[no-untyped-call]
        except Exception:
            # The cause was logged; the program's unfinished tasks raise it again when they are cancelled.
            return language_pb2.RunResponse(bail=True)
        # The program's error was logged with its message; `bail` keeps the engine from logging it again.
        return language_pb2.RunResponse(bail=True) if response.error else response

    def RunPlugin(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Run a plugin from source, such as a policy pack, in its own virtual environment."""
        options = dict(request.info.options.items())
        virtualenv = Path(request.info.root_directory) / str(options.get("virtualenv") or "venv")
        python = virtualenv / "bin" / "python"
        if not python.exists():
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"{virtualenv} is no virtual environment; `make policy` creates that of the policy pack",
            )
        # -u: the engine waits for the first line, the plugin's port, which would otherwise stay in a buffer.
        process = subprocess.Popen(
            [python, "-u", request.info.program_directory, *request.args],
            cwd=request.pwd or None,
            env=dict(entry.split("=", 1) for entry in request.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        # The engine ends a plugin by cancelling this call.
        if not context.add_callback(process.kill):
            process.kill()
        yield from _output(process)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._stopped.set()
        return super().Cancel(request, context)


def _output(process: subprocess.Popen[bytes]) -> Iterator[Any]:
    """What a process writes to its standard output and error, as it comes, until both are closed."""
    chunks: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()

    def read(name: str, stream: IO[bytes]) -> None:
        with stream:
            while chunk := os.read(stream.fileno(), 65536):
                chunks.put((name, chunk))
        chunks.put((name, b""))

    streams = {"stdout": process.stdout, "stderr": process.stderr}
    for name, stream in streams.items():
        assert stream is not None  # noqa: S101 - for mypy: both are pipes
        threading.Thread(target=read, args=(name, stream), daemon=True).start()
    running = len(streams)
    while running:
        name, chunk = chunks.get()
        if chunk:
            response = language_pb2.RunPluginResponse
            yield response(stdout=chunk) if name == "stdout" else response(stderr=chunk)
        else:
            running -= 1


def main() -> None:
    """Serve until the engine ends. The first line of output is the port, as the engine expects."""
    # Ctrl-C reaches the whole process group. The engine handles it and still needs its program.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopped = threading.Event()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=4),
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
            ("grpc.max_send_message_length", _MESSAGE_LIMIT),
        ],
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(ProgramHost(stopped), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    # A failing program may still report its error when the engine stops; without a grace period it would be "EOF".
    server.stop(grace=10).wait()


if __name__ == "__main__":
    main()
