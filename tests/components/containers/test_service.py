"""One hardened container: the options that the engine and the provider's habits ask for."""

import pulumi
import pulumi_docker as docker
import pytest

from components.containers.healthcheck import Healthcheck, duration, paused
from components.containers.service import File, Port, Service, ServiceArgs, published
from components.containers.stack_context import StackContext
from images import Image
from tests.program.harness import Deployment, Resource, is_secret, record

STACK = StackContext(
    project="ohif", stack="ward", images={"gateway": Image(name="registry.example.org/nginx:1.30.7")}, protect_data=True
)


def make_service() -> None:
    provider = docker.Provider("engine")
    network = docker.Network("network", name="ohif-ward-net", opts=pulumi.ResourceOptions(provider=provider))
    volume = docker.Volume("volume", name="ohif-ward-data", opts=pulumi.ResourceOptions(provider=provider))
    Service(
        "web-server",
        ServiceArgs(
            stack=STACK,
            image="gateway",
            alias="web",
            networks=[network],
            healthcheck=Healthcheck(command=["true"], start_period=90, interval=7),
            memory_mib=64,
            user="101:101",
            entrypoint=["serve"],
            command=["--fast"],
            environment={"ZONE": "b", "PASSWORD": pulumi.Output.secret("S3cret.")},
            files=[
                File(path="/etc/open", content="open"),
                File(path="/etc/shut", content=pulumi.Output.secret("S3cret."), mode="0400"),
                File(path="/etc/picture", content_base64="AAAA"),
            ],
            volumes={"/data": volume},
            temporary=["/tmp", "/run"],
            ports=[Port(address="127.0.0.1", external=80, internal=8080)],
            capabilities=["CAP_CHOWN"],
            stop_seconds=45,
            depends_on=[volume],
        ),
        opts=pulumi.ResourceOptions(providers=[provider]),
    )


@pytest.fixture(scope="module")
def made() -> Deployment:
    return record(make_service)


@pytest.fixture(scope="module")
def container(made: Deployment) -> Resource:
    return made.one("Container")


def test_drops_every_privilege(container: Resource) -> None:
    assert container.inputs["capabilities"] == {"drops": ["ALL"], "adds": ["CAP_CHOWN"]}
    assert container.inputs["securityOpts"] == ["no-new-privileges:true"]
    assert container.inputs["user"] == "101:101"
    assert container.inputs["init"] is True


def test_memory_is_limited_without_swap(container: Resource) -> None:
    assert (container.inputs["memory"], container.inputs["memorySwap"]) == (64, 64)


def test_is_there_when_healthy(container: Resource) -> None:
    assert container.inputs["wait"] is True
    assert container.inputs["healthcheck"] == {
        "tests": ["CMD", *paused(Healthcheck(command=["true"]), "/tmp")],
        "interval": "7s",
        "timeout": "35s",
        "startPeriod": "1m30s",
        "retries": 6,
    }


def test_comes_back_and_ends_in_peace(container: Resource) -> None:
    assert container.inputs["restart"] == "unless-stopped"
    assert (container.inputs["stopTimeout"], container.inputs["destroyGraceSeconds"]) == (45, 45)


def test_logs_are_rotated(container: Resource) -> None:
    assert container.inputs["logDriver"] == "json-file"
    assert container.inputs["logOpts"] == {"max-size": "20m", "max-file": "5"}


def test_name_and_labels_are_the_sites(container: Resource) -> None:
    assert container.inputs["name"] == "ohif-ward-web"
    assert {label["label"]: label["value"] for label in container.inputs["labels"]} == {
        "org.ohif.project": "ohif",
        "org.ohif.stack": "ward",
    }


def test_fixed_name_goes_before_it_comes_again(container: Resource) -> None:
    assert container.delete_before_replace


def test_what_the_provider_cannot_change_in_place_replaces(container: Resource) -> None:
    assert set(container.replace_on_changes) == {"healthcheck", "tmpfs", "init"}


def test_image_is_followed_by_its_id_and_stays_on_the_machine(made: Deployment, container: Resource) -> None:
    image = made.one("RemoteImage")
    assert image.inputs == {"name": "registry.example.org/nginx:1.30.7", "keepLocally": True}
    assert container.inputs["image"] == "sha256:registry.example.org/nginx:1.30.7"


def test_environment_and_files(container: Resource) -> None:
    assert container.inputs["envs"] == ["PASSWORD=S3cret.", "ZONE=b"]
    assert container.files == {"/etc/open": "open", "/etc/shut": "S3cret.", "/etc/picture": "AAAA"}
    assert [upload["permissions"] for upload in container.inputs["uploads"]] == ["0444", "0400", "0444"]
    # A file system that is only read takes no files from the provider.
    assert not container.inputs.get("readOnly")


def test_a_secret_covers_its_own_place_only(container: Resource) -> None:
    password, zone = container.marked_inputs["envs"]
    assert (is_secret(password), is_secret(zone)) == (True, False)
    assert [is_secret(upload.get("content")) for upload in container.marked_inputs["uploads"]] == [False, True, False]


def test_storage(container: Resource) -> None:
    assert container.inputs["volumes"] == [{"containerPath": "/data", "volumeName": "ohif-ward-data"}]
    assert set(container.inputs["tmpfs"]) == {"/tmp", "/run"}
    for options in container.inputs["tmpfs"].values():
        assert {"noexec", "nosuid", "nodev", "size=8m"} <= set(options.split(","))


def test_network_and_port(container: Resource) -> None:
    assert container.inputs["networksAdvanced"] == [{"name": "ohif-ward-net", "aliases": ["web"]}]
    assert container.inputs["ports"] == [{"ip": "127.0.0.1", "external": 80, "internal": 8080}]


def test_ports_come_in_the_order_in_which_the_provider_reads_them_back() -> None:
    """By port of the container: otherwise every `up` replaces it."""
    ports = [
        Port(address="::", external=443, internal=18443),
        Port(address="198.51.100.10", external=443, internal=8443),
        Port(address="198.51.100.10", external=80, internal=8080),
        Port(address="::", external=80, internal=18080),
        Port(address="198.51.100.10", external=104, internal=11112),
    ]
    assert [(port.internal, port.external) for port in published(ports)] == [
        (8080, 80),
        (8443, 443),
        (11112, 104),
        (18080, 80),
        (18443, 443),
    ]


def test_a_port_is_not_published_twice() -> None:
    """Engines list the bindings of one port in orders of their own."""
    with pytest.raises(ValueError, match="published twice"):
        published([Port(address=address, external=80, internal=8080) for address in ("0.0.0.0", "::")])


def test_depends_on_its_configuration(made: Deployment, container: Resource) -> None:
    assert {made.one("Volume").urn, made.one("Network").urn, made.one("RemoteImage").urn} <= container.dependencies


def test_names_its_container(made: Deployment) -> None:
    service = made.one("Service")
    assert made.marked_outputs[service.urn] == {"container_id": "web-server-container-id"}


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0s"), (5, "5s"), (59, "59s"), (60, "1m0s"), (90, "1m30s"), (180, "3m0s"), (3599, "59m59s")],
)
def test_duration_is_written_as_the_engine_does(seconds: int, written: str) -> None:
    assert duration(seconds) == written


def test_image_that_the_table_lacks_is_an_error() -> None:
    def program() -> None:
        args = ServiceArgs(
            stack=STACK,
            image="nowhere",
            alias="web",
            networks=[],
            healthcheck=Healthcheck(command=["true"]),
            memory_mib=64,
            user=None,
        )
        Service("web-server", args)

    with pytest.raises(KeyError, match="nowhere"):
        record(program)
