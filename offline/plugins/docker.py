"""Stand-in for the resource plugin `docker`: images, networks, volumes, containers by the Docker SDK."""

from __future__ import annotations

from offline.plugins.docker_container import Container
from offline.plugins.docker_engine import Engine, explain, gone, labels, until_free
from offline.plugins.provider import StandIn
from offline.plugins.resource import Found, PluginError, Props, Resource
from offline.plugins.wire import serve


class RemoteImage(Resource[Engine]):
    resource_type = "docker:index/remoteImage:RemoteImage"
    args = "pulumi_docker:RemoteImageArgs"
    implemented = frozenset({"forceRemove", "keepLocally", "name", "platform", "pullTriggers", "triggers"})
    replace = frozenset({"name", "platform", "pullTriggers", "triggers"})

    def _look(self, client: Engine, name: str) -> Props | None:
        from docker.errors import ImageNotFound

        try:
            image = client.api.inspect_image(name)
        except ImageNotFound:
            return None
        return {"imageId": image["Id"], "repoDigest": next(iter(image.get("RepoDigests") or []), "")}

    def create(self, client: Engine, inputs: Props) -> tuple[str, Props]:
        name = inputs["name"]
        outputs = self._look(client, name)
        if outputs is None:
            client.pull(name, inputs.get("platform"))
            outputs = self._look(client, name)
        if outputs is None:
            raise PluginError(f"image {name} was pulled but the engine does not have it")
        return outputs["imageId"] + name, outputs

    def read(self, client: Engine, resource_id: str, inputs: Props, state: Props) -> Found | None:
        outputs = self._look(client, inputs["name"])
        return None if outputs is None else Found(outputs)

    def update(self, client: Engine, resource_id: str, state: Props, inputs: Props) -> Props:
        return self.create(client, inputs)[1]

    def delete(self, client: Engine, resource_id: str, state: Props) -> None:
        if not state.get("keepLocally"):
            gone(lambda: client.api.remove_image(state["imageId"], force=state.get("forceRemove", False)))


# The API's names of an address pool -> Pulumi's.
_POOL = {
    "Subnet": "subnet",
    "IPRange": "ipRange",
    "Gateway": "gateway",
    "AuxiliaryAddresses": "auxAddress",
}


class Network(Resource[Engine]):
    resource_type = "docker:index/network:Network"
    args = "pulumi_docker:NetworkArgs"
    implemented = replace = frozenset(
        {"attachable", "driver", "ingress", "internal", "ipamConfigs", "ipamDriver", "ipamOptions"}
        | {"ipv6", "labels", "name", "options"}
    )
    defaults = {"ipamDriver": "default"}  # noqa: RUF012 # declared once, in the base class
    autoname = "name"

    def create(self, client: Engine, inputs: Props) -> tuple[str, Props]:
        from docker.types import IPAMConfig, IPAMPool

        pools = [
            IPAMPool(
                subnet=pool.get("subnet"),
                iprange=pool.get("ipRange"),
                gateway=pool.get("gateway"),
                aux_addresses=pool.get("auxAddress"),
            )
            for pool in inputs.get("ipamConfigs", [])
        ]
        created = client.api.create_network(
            inputs["name"],
            driver=inputs.get("driver", "bridge"),
            options=inputs.get("options"),
            ipam=IPAMConfig(inputs["ipamDriver"], pools, inputs.get("ipamOptions")),
            check_duplicate=True,
            internal=inputs.get("internal", False),
            labels=labels(inputs.get("labels", [])),
            enable_ipv6=inputs.get("ipv6", False),
            attachable=inputs.get("attachable"),
            ingress=inputs.get("ingress"),
        )
        return created["Id"], self._outputs(client, created["Id"])

    def _outputs(self, client: Engine, resource_id: str) -> Props:
        real = client.api.inspect_network(resource_id)
        pools = real["IPAM"]["Config"] or []
        return {
            "driver": real["Driver"],
            "internal": real["Internal"],
            "ipamConfigs": [{_POOL[key]: value for key, value in pool.items() if value} for pool in pools],
            "name": real["Name"],
            "options": real["Options"] or {},
            "scope": real["Scope"],
        }

    def read(self, client: Engine, resource_id: str, inputs: Props, state: Props) -> Found | None:
        if gone(lambda: client.api.inspect_network(resource_id)):
            return None
        return Found(self._outputs(client, resource_id))

    def delete(self, client: Engine, resource_id: str, state: Props) -> None:
        until_free(lambda: client.api.remove_network(resource_id))


class Volume(Resource[Engine]):
    resource_type = "docker:index/volume:Volume"
    args = "pulumi_docker:VolumeArgs"
    implemented = replace = frozenset({"driver", "driverOpts", "labels", "name"})
    autoname = "name"

    def create(self, client: Engine, inputs: Props) -> tuple[str, Props]:
        real = client.api.create_volume(
            inputs["name"],
            driver=inputs.get("driver"),
            driver_opts=inputs.get("driverOpts"),
            labels=labels(inputs.get("labels", [])),
        )
        return real["Name"], {"driver": real["Driver"], "mountpoint": real["Mountpoint"]}

    def read(self, client: Engine, resource_id: str, inputs: Props, state: Props) -> Found | None:
        if gone(lambda: client.api.inspect_volume(resource_id)):
            return None
        real = client.api.inspect_volume(resource_id)
        return Found({"driver": real["Driver"], "mountpoint": real["Mountpoint"]})

    def delete(self, client: Engine, resource_id: str, state: Props) -> None:
        until_free(lambda: client.api.remove_volume(resource_id, force=True))


def plugin() -> StandIn[Engine]:
    return StandIn(
        "docker",
        [RemoteImage(), Network(), Volume(), Container()],
        Engine,
        config=frozenset({"disableDockerDaemonCheck", "host", "registryAuth", "sshOpts"}),
        refused_config=frozenset(
            f"registryAuth.{name}" for name in ("authDisabled", "configFile", "configFileContent")
        ),
        explain=explain,
    )


if __name__ == "__main__":
    serve(plugin())
