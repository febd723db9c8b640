"""Names, labels and options that all Docker objects of one stack share."""

from collections.abc import Mapping
from dataclasses import dataclass

import names
from components.containers.log_driver import LogDriver
from images import Image


@dataclass(frozen=True)
class StackContext:
    """Names, labels, images and data protection of one stack, so that several stacks can share one Docker engine."""

    project: str
    stack: str
    images: Mapping[str, Image]
    protect_data: bool
    """Whether data volumes are protected in the state and kept by the engine."""
    logs: LogDriver | None = None
    """`None`: lines stay with Docker."""

    def docker_name(self, thing: str) -> str:
        """The name of a container, network or volume."""
        return names.docker_name(self.project, self.stack, thing)

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels on every Docker object of the stack."""
        return names.docker_labels(self.project, self.stack)
