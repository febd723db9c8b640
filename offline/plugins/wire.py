"""The gRPC side of the stand-in plugins: the SDK's servicer, with what it leaves out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf import struct_pb2  # type: ignore[import-untyped]
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from offline.plugins.provider import StandIn
from offline.plugins.resource import InitError

Call = Callable[[Any, Any], Awaitable[Any]]


class Servicer(ProviderServicer):
    """The SDK's servicer, with a handshake and with Diff over inputs."""

    async def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802 # gRPC's names
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    async def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        # The SDK drops the old inputs. The old state cannot serve instead: it also holds values that the
        # real object chose where no input was given, and these are no change.
        state = struct_pb2.Struct()
        state.CopyFrom(request.olds)
        request.olds.CopyFrom(request.old_inputs)
        provider: Any = self._provider
        for name in provider.read_back(request.urn) & state.fields.keys():
            request.olds.fields[name].CopyFrom(state.fields[name])
        return await super().Diff(request, context)

    async def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        request.olds.CopyFrom(request.old_inputs)
        parent: Any = super()
        response = await parent.DiffConfig(request, context)
        # The SDK puts a truth value where the protocol has an enumeration in which 1 says that nothing changed.
        changed = bool(response.diffs)
        response.changes = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return response


class Errors(grpc.aio.ServerInterceptor):  # type: ignore[misc] # grpc has no types
    """Hands errors to the engine as its users should read them: without tracebacks and Python's own names."""

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            self._guarded(handler.unary_unary), handler.request_deserializer, handler.response_serializer
        )

    @staticmethod
    def _guarded(call: Call) -> Call:
        async def guarded(request: Any, context: Any) -> Any:
            try:
                return await call(request, context)
            except NotImplementedError as error:
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
            except InitError as failure:
                metadata = (("grpc-status-details-bin", _partial(failure)),)
                await context.abort(grpc.StatusCode.UNKNOWN, str(failure), metadata)
            except Exception as error:
                await context.abort(grpc.StatusCode.UNKNOWN, str(error) or type(error).__name__)

        return guarded


def _partial(failure: InitError) -> bytes:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=failure.resource_id,
        properties=PropertyValue.marshal_map(failure.properties),
        reasons=[str(failure)],
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(failure))
    status.details.add().Pack(detail)
    return bytes(status.SerializeToString())


async def run(provider: Provider, version: str) -> None:
    """Serves on a free loopback port, printed as the engine expects, until the engine ends it or is gone."""
    engine = os.getppid()
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS, interceptors=[Errors()])
    address = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    servicer = Servicer(sys.argv[1:], version, provider, engine_address=address)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # The engine ends its plugins by this signal. Ctrl-C does not come here: each has its own process group.
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, ended.set)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while os.getppid() == engine and not ended.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), timeout=1)
    await server.stop(grace=5)


def serve(plugin: StandIn[Any]) -> NoReturn:
    """Runs the plugin until the engine that started it ends it."""
    # Whatever a library prints would land in the middle of Pulumi's output.
    logging.basicConfig(handlers=[logging.NullHandler()])
    warnings.simplefilter("ignore")
    asyncio.run(run(plugin, plugin.version))
    # Threads that still wait for a container must not hold up the end.
    os._exit(0)
