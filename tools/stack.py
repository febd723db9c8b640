"""Bring a stack up, stop it, remove it, or preview it: `python -m tools.stack up --stack dev`.

Runs in `.venv` with the environment of `.state/env`; the Makefile sees to both.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import docker.errors
import psutil
from docker.models.containers import Container

from images import DEFAULT_IMAGES
from settings import ArchiveKind
from settings.archive import DEFAULT_MEMORY
from settings.dicom import USUAL_PORT
from settings.place import LOOPBACK
from tools import half_made, preflight
from tools.health import wait_until_healthy
from tools.pulumi_run import Pulumi
from tools.readiness import network, state
from tools.readiness.console import Problem, report, say
from tools.readiness.paths import BACKEND, STATE

DYING_SECONDS = 3.0
CONTAINERS = "**docker:index/container:Container**"
# In this order nobody is sent to a service that is gone, and nothing loses its database while it works.
STOP_ORDER = (
    ("gateway",),
    ("auth-proxy", "viewer", "orthanc", "dcm4chee", "keycloak"),
    ("sessions", "orthanc-db", "dcm4chee-db", "dcm4chee-ldap", "keycloak-db"),
)


def exported(pulumi: Pulumi) -> dict[str, Any]:
    """The stack's state, secrets encrypted; empty for a stack without any."""
    document = json.loads(pulumi.ask("stack", "export"))
    deployment: dict[str, Any] = document.get("deployment") or {}
    return deployment


def _types(deployment: dict[str, Any]) -> list[str]:
    """Types of resources that are there, or were being made when an update ended abruptly."""
    resources = deployment.get("resources") or []
    pending = [operation["resource"] for operation in deployment.get("pending_operations") or []]
    return [resource["type"] for resource in [*resources, *pending]]


def _config(pulumi: Pulumi) -> dict[str, Any]:
    """Configuration of namespace `ohif` with the defaults of Pulumi.yaml. Secrets are left out."""
    entries = json.loads(pulumi.ask("config", "--json", config=True))
    return {
        key.removeprefix("ohif:"): entry.get("objectValue", entry.get("value"))
        for key, entry in entries.items()
        if key.startswith("ohif:")
    }


def _image_names(config: dict[str, Any]) -> dict[str, str]:
    """Images that the program will ask for: configuration over the machine's own over the table."""
    own: dict[str, Any] = {}
    if table := os.environ.get("OHIF_IMAGES"):
        try:
            own = json.loads(Path(table).read_text())
        except (OSError, ValueError) as error:
            raise Problem(
                f"images: OHIF_IMAGES={table} cannot be read: {error}", "Run `make env`, or unset it."
            ) from error
    wanted = {key: image for key, image in DEFAULT_IMAGES.items() if image.archive in (None, config.get("archive"))}
    names = {key: image.name for key, image in wanted.items()}
    for key, entry in {**own, **(config.get("images") or {})}.items():
        if key in wanted:
            names[key] = entry if isinstance(entry, str) else entry["name"]
    return names


def needed_memory(config: dict[str, Any]) -> int:
    """Bytes that a start takes: the usual, and what the archive may take beyond Orthanc's usual."""
    archive = int(config.get("archiveMemory") or 0) or DEFAULT_MEMORY[ArchiveKind(config["archive"])]
    return preflight.NEEDED_BYTES + max(0, archive - DEFAULT_MEMORY[ArchiveKind.ORTHANC]) * preflight.MIB


def _former_archive(deployment: dict[str, Any], config: dict[str, Any]) -> str | None:
    """The archive that the state's studies are in, if the configuration names another one."""
    for resource in deployment.get("resources") or []:
        if resource["type"] == "ohif:index:ArchiveChoice":
            known = str(resource["inputs"]["archive"])
            return known if known != config.get("archive") else None
    return None


def _refuse_switch(deployment: dict[str, Any], config: dict[str, Any]) -> None:
    """The program refuses too, but first come the checks of the image and of all else."""
    former = _former_archive(deployment, config)
    if former and str(config.get("confirmArchiveSwitch")).lower() != "true":
        raise Problem(
            f"archive: the studies of this stack are in {former}; {config['archive']} would start without them",
            f"Set ohif:archive back to {former}, or, if that is what you want, ohif:confirmArchiveSwitch to true. "
            "Nothing was changed.",
        )


def _keep_former_archive(pulumi: Pulumi) -> None:
    """Before another archive takes its place: its volumes leave the state, and stay on the engine.

    Protected ones could not leave the state; those that are not would be deleted.
    """
    archive = _config(pulumi)["archive"]
    document = json.loads(pulumi.ask("stack", "export"))
    resources = document["deployment"].get("resources") or []
    # `ohif:index:Orthanc` is called `archive`, as is any other that takes its place.
    components = {it["type"] for it in resources if it["urn"].endswith("::archive")}
    former = [kind for kind in components if kind.rpartition(":")[2].lower() != archive]
    kept = [
        it
        for it in resources
        if it["type"] == "docker:index/volume:Volume" and any(f"::{kind}$" in it["urn"] for kind in former)
    ]
    if not kept:
        return
    for volume in kept:
        volume["retainOnDelete"] = True
        volume.pop("protect", None)
        say(f"  volume {volume['outputs']['name']} stays on the engine")
    with tempfile.NamedTemporaryFile("w", prefix="state-", suffix=".json") as file:
        json.dump(document, file)
        file.flush()
        pulumi.ask("stack", "import", f"--file={file.name}")


def _check(pulumi: Pulumi, deployment: dict[str, Any]) -> None:
    """Everything that can be known to fail, before anything changes."""
    config = _config(pulumi)
    _refuse_switch(deployment, config)
    if config["target"] != "local":
        # The program itself looks at a machine elsewhere.
        return
    client = preflight.connect()
    found = preflight.find(client, pulumi.stack)
    preflight.refuse_foreign(pulumi.stack, found, _types(deployment))
    address = str(config["bindAddress"]) or LOOPBACK
    ports = {"ohif:port 8080": config["port"]}
    if config["tls"] != "none":
        ports["ohif:httpsPort 8443"] = config["httpsPort"]
    if config["dicom"].get("enabled"):
        ports["--path ohif:dicom.port 11113"] = config["dicom"].get("port", USUAL_PORT)
    for setting, port in ports.items():
        preflight.refuse_taken_port(client, pulumi.stack, address, int(port), setting=setting)
    if not any(container.status == "running" for container in found.containers):
        memory = psutil.virtual_memory()
        preflight.refuse_little_memory(memory.available, int(client.info()["MemTotal"]), needed_memory(config))
    preflight.refuse_missing_images(client, _image_names(config))


def _heal_lock(pulumi: Pulumi) -> None:
    """A killed update leaves its lock. One whose process lives is respected."""
    if pulumi.environment.get("PULUMI_BACKEND_URL") != state.BACKEND_URL:
        return
    directory = BACKEND / ".pulumi" / "locks" / "organization" / state.PROJECT / pulumi.stack
    if not any(directory.glob("*.json")):
        return
    # A process that was killed a moment ago may still be on its way out.
    deadline = time.monotonic() + DYING_SECONDS
    while (held := preflight.locks_held(directory)) and time.monotonic() < deadline:
        time.sleep(0.25)
    if held:
        raise Problem(
            f"stack {pulumi.stack}: another update is under way (pid {held[0]['pid']} of {held[0]['username']})",
            "Wait until it has ended, then run the command again.",
        )
    say("  an earlier update was killed; taking its lock away")
    pulumi.ask("cancel", "--yes")


def _engine(pulumi: Pulumi, deployment: dict[str, Any]) -> docker.DockerClient | None:
    """The engine of the stack's target; None for a machine that is not made yet."""
    if _config(pulumi)["target"] == "local":
        return preflight.connect()
    return preflight.connect_remote(deployment)


def _heal_pending(pulumi: Pulumi, deployment: dict[str, Any]) -> None:
    """Take away what an abrupt end left half-made, then let the state forget it."""
    if not deployment.get("pending_operations"):
        return
    say("  an earlier update was interrupted; putting things in order")
    if engine := _engine(pulumi, deployment):
        half_made.remove_from_engine(preflight.find(engine, pulumi.stack), deployment)
    if left := half_made.in_keycloak(deployment):
        # Keycloak must run to be asked. Its containers are complete, as its objects are made after them.
        pulumi.update("refresh", f"--target={CONTAINERS}")
        pulumi.update("up", f"--target={CONTAINERS}")
        shown = json.loads(pulumi.ask("stack", "export", "--show-secrets"))["deployment"]
        half_made.remove_from_keycloak(left, shown)
    pulumi.update("refresh", f"--target={CONTAINERS}", "--clear-pending-creates")


def up(pulumi: Pulumi) -> None:
    """Make the stack what the program says, from whatever is there: nothing, a stopped one, half of one."""
    started = time.monotonic()
    state.ensure_stack(pulumi.stack, pulumi.environment, pulumi.config_file)
    _heal_lock(pulumi)
    deployment = exported(pulumi)
    _check(pulumi, deployment)
    say(f"Stack {pulumi.stack}")
    _heal_pending(pulumi, deployment)
    if any(kind == "docker:index/container:Container" for kind in _types(deployment)):
        # Without it a dead container goes unnoticed; a full refresh would ask a dead Keycloak.
        pulumi.update("refresh", f"--target={CONTAINERS}")
    _keep_former_archive(pulumi)
    changes = pulumi.update("up")
    _wait_until_healthy(pulumi)
    decision = network.remembered()
    if decision and not decision.kept:
        network.remember(network.Decision(decision.open, decision.reason, decision.decided, kept=True))
    seconds = time.monotonic() - started
    say(f"  {changes.words} in {seconds:.0f} s" if changes.any else f"  nothing changed ({seconds:.0f} s)")
    _farewell(pulumi)


def _wait_until_healthy(pulumi: Pulumi) -> None:
    if engine := _engine(pulumi, exported(pulumi)):
        wait_until_healthy(preflight.find(engine, pulumi.stack).containers)


def _farewell(pulumi: Pulumi) -> None:
    outputs = json.loads(pulumi.ask("stack", "output", "--json"))
    say(
        f"\n  Viewer    {outputs.get('viewerUrl')}   login viewer or pacsadmin"
        f"\n  Archive   {outputs.get('adminUrl')}   login pacsadmin"
        f"\n  Keycloak  {outputs.get('consoleUrl')}   login admin"
        "\n\n  Passwords, and any pulumi command by hand:"
        "\n    . .state/env"
        f"\n    pulumi stack output credentials --show-secrets -s {pulumi.stack}"
        "\n  Next: `make sample` stores a CT series to look at; `make down` stops and keeps everything."
    )


def _stop(container: Container) -> None:
    with contextlib.suppress(docker.errors.NotFound):
        container.stop(timeout=30)


def down(pulumi: Pulumi) -> None:
    """Stop the stack's containers and keep everything. The next `up` starts them."""
    engine = _engine(pulumi, exported(pulumi))
    if engine is None:
        raise Problem(f"stack {pulumi.stack}: has no machine yet", "make up makes it.")
    found = preflight.find(engine, pulumi.stack)
    running = {str(container.name): container for container in found.containers if container.status == "running"}
    named = {f"ohif-{pulumi.stack}-{thing}" for group in STOP_ORDER for thing in group}
    groups = [[f"ohif-{pulumi.stack}-{thing}" for thing in group] for group in STOP_ORDER]
    groups[1] += [name for name in running if name not in named]
    with ThreadPoolExecutor() as pool:
        for group in groups:
            list(pool.map(_stop, [running[name] for name in group if name in running]))
    say(
        f"stopped {len(running)} containers; studies, users and state are kept. `make up` starts them again."
        if running
        else "nothing is running; `make up` starts the stack."
    )


def destroy(pulumi: Pulumi, sure: bool) -> None:
    """Remove the stack with its data, after asking. Works with dead containers too."""
    state.ensure_stack(pulumi.stack, pulumi.environment, pulumi.config_file)
    resources = exported(pulumi).get("resources") or []
    protected = [resource["urn"].rpartition("::")[2] for resource in resources if resource.get("protect")]
    if protected:
        raise Problem(
            f"stack {pulumi.stack}: {', '.join(protected)} are protected",
            f"To lose this data for good: pulumi state unprotect --all -s {pulumi.stack}, then run the command again.",
        )
    if not sure:
        question = f"This deletes stack {pulumi.stack} with ALL studies and users. Type its name to go on: "
        try:
            answer = input(question)
        except EOFError:
            answer = ""
        if answer.strip() != pulumi.stack:
            raise Problem("destroy: not confirmed, nothing was changed", "Type the stack's name, or set YES=1.")
    _heal_lock(pulumi)
    deployment = exported(pulumi)
    if deployment.get("pending_operations"):
        if engine := _engine(pulumi, deployment):
            half_made.remove_from_engine(preflight.find(engine, pulumi.stack), deployment)
        pulumi.update("refresh", f"--target={CONTAINERS}", "--clear-pending-creates")
    local = _config(pulumi)["target"] == "local"
    changes = pulumi.update("destroy")
    pulumi.ask("stack", "rm", "--yes", "--preserve-config")
    if not any((BACKEND / ".pulumi" / "stacks" / state.PROJECT).glob("*.json")):
        network.DECISION_FILE.unlink(missing_ok=True)
    say(f"stack {pulumi.stack} is gone ({changes.words or 'it was empty'})")
    if local and (kept := preflight.find(preflight.connect(), pulumi.stack).volumes):
        names = " ".join(str(volume.name) for volume in kept)
        say(f"kept on the engine: {names}\n  To lose this data for good: docker volume rm {names}")


def preview(pulumi: Pulumi) -> int:
    """Show what `up` would do; without a state, against one that is thrown away, so it works anywhere."""
    own = pulumi.environment.get("PULUMI_BACKEND_URL") == state.BACKEND_URL
    if own and not (BACKEND / ".pulumi" / "stacks" / state.PROJECT / f"{pulumi.stack}.json").exists():
        with tempfile.TemporaryDirectory(prefix="preview-") as scratch:
            config = Path(scratch) / f"Pulumi.{pulumi.stack}.yaml"
            shutil.copyfile(pulumi.config_file or Path(f"Pulumi.{pulumi.stack}.yaml"), config)
            environment = pulumi.environment | {
                "PULUMI_BACKEND_URL": f"file://{scratch}",
                "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(),
            }
            throwaway = Pulumi(pulumi.stack, config, environment)
            state.ensure_stack(pulumi.stack, environment, config)
            return throwaway.show("preview")
    return pulumi.show("preview")


def copied(config_file: Path | None) -> Path | None:
    """Pulumi writes a salt into the file that it is given; the original stays as it is."""
    if config_file is None:
        return None
    if not config_file.exists():
        raise Problem(f"configuration: {config_file} does not exist", "Name an existing file with --config-file.")
    copy = STATE / "config" / config_file.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(config_file, copy)
    return copy


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when it worked, 1 with the problem and its mend otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["up", "down", "destroy", "preview"])
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--config-file", type=Path, help="instead of Pulumi.<stack>.yaml; it is not written to")
    arguments = parser.parse_args(argv)
    try:
        pulumi = Pulumi(arguments.stack, copied(arguments.config_file))
        match arguments.command:
            case "up":
                up(pulumi)
            case "down":
                down(pulumi)
            case "destroy":
                destroy(pulumi, sure=os.environ.get("YES") == "1")
            case _:
                return preview(pulumi)
    except Problem as problem:
        report(problem)
        return 1
    except KeyboardInterrupt:
        say("\ninterrupted; run the command again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
