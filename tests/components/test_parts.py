"""What single components decide that neither a container's options nor the whole program's shape tell."""

import base64
import json

import pytest

from components.archive.interface import DicomWebSource
from components.archive.orthanc import basic_authorization
from components.containers.stack_context import StackContext
from components.gateway.files import page_files, viewer_files
from components.keycloak.server import theme_files
from images import DEFAULT_IMAGES
from policy.rules import RULES
from settings import ViewerSettings
from tests.certificates import signed
from tests.program.harness import ROOT, Deployment, run_program

UNCHANGED = ViewerSettings(name=None, logo=None, hidden_modes=(), options={}, frame_ancestors=())


@pytest.fixture(scope="module")
def local() -> Deployment:
    return run_program()


def test_names_of_two_stacks_differ() -> None:
    names = {
        StackContext(project="ohif", stack=stack, images={}, protect_data=False).docker_name("x") for stack in "ab"
    }
    assert names == {"ohif-a-x", "ohif-b-x"}


def test_gateway_shows_the_archive_its_credential(local: Deployment) -> None:
    file = local.container("gateway").files["/etc/ohif/archive-credential.conf"]
    assert (
        file
        == f'proxy_set_header Authorization "{basic_authorization("gateway", local.secrets["secrets-archive"])}";\n'
    )


def test_restricted_users_come_with_another_credential() -> None:
    made = run_program(
        {
            "rights": {"groups": ["trial-7"], "unrestricted": ["reporter"]},
            "users": [{"name": "monitor", "roles": ["viewer", "group:trial-7"]}],
        }
    )
    files = made.container("gateway").files
    own, restricted = (
        basic_authorization(user, made.secrets[secret])
        for user, secret in (("gateway", "secrets-archive"), ("restricted", "secrets-archive-restricted"))
    )
    assert files["/etc/ohif/archive-credential.conf"] == "proxy_set_header Authorization $archive_credential;\n"
    credentials = files["/etc/ohif/archive-credentials.conf"]
    assert f'0 "{own}";' in credentials
    assert f'default "{restricted}";' in credentials
    assert '"~^,(?:.*,)?(pacsadmin|reporter)," 0;' in files["/etc/ohif/nginx.conf"]
    archive = made.container("orthanc").files
    assert archive["/etc/orthanc-restricted"] == restricted
    assert json.loads(archive["/etc/orthanc-rights.json"])["groups"] == ["trial-7"]
    assert "/etc/orthanc/shares.py" not in archive
    assert "restricted" in json.loads(archive["/etc/orthanc/orthanc.json"])["RegisteredUsers"]
    roles = made.one("UserRoles", "identity-user-monitor-roles").inputs["roleIds"]
    assert set(roles) == {"identity-role-viewer-id", "identity-role-group:trial-7-id"}


@pytest.mark.parametrize("without_login", [False, True])
def test_share_links_alone_leave_every_study_to_every_role(without_login: bool) -> None:
    made = run_program(
        {
            "rights": {"shares": {"maximumDays": 30, "withoutLogin": without_login}},
            "users": [{"name": "curie", "roles": ["reporter", "sharer"]}],
            "host": "pacs.example.org",
            "adminNetworks": ["192.0.2.0/24"],
            "proxy": {"trusted": ["10.0.0.0/29"]},
        }
    )
    archive, gateway = (made.container(name).files for name in ("orthanc", "gateway"))
    assert json.loads(archive["/etc/orthanc-rights.json"]) == {"groups": [], "rules": [], "shareDays": 30}
    assert {"/etc/orthanc/shares.py", "/etc/orthanc/share_links.py"} <= set(archive)
    assert '"~^,(?:.*,)?(pacsadmin|reporter|viewer)," 0;' in gateway["/etc/ohif/nginx.conf"]
    assert ("auth_request /_auth/share;" in gateway["/etc/ohif/nginx.conf"]) is without_login
    roles = made.one("UserRoles", "identity-user-curie-roles").inputs["roleIds"]
    assert set(roles) == {"identity-role-reporter-id", "identity-role-sharer-id"}


def test_the_audit_log_has_a_volume_where_it_is_kept() -> None:
    made = run_program({"auditDays": 30})
    gateway = made.container("gateway")
    (volume,) = gateway.inputs["volumes"]
    assert (volume["containerPath"], volume["volumeName"]) == ("/var/tmp", "ohif-dev-audit")
    assert gateway.environment["AUDIT_DAYS"] == "30"
    assert "access_log /var/tmp/today.log audit" in gateway.files["/etc/ohif/nginx.conf"]
    assert [it for rule in RULES for it in rule.problems(made.resources)] == []
    # An earlier version had it under the gateway.
    kept = made.one("docker:index/volume:Volume", "logs-audit-volume")
    assert kept.urn.replace("Logs$", "Gateway$").replace("logs-audit", "gateway-audit") in kept.aliases
    plain = run_program({}).container("gateway")
    assert not plain.inputs.get("volumes")
    assert "today.log" not in plain.files["/etc/ohif/nginx.conf"]


def test_basic_authorization() -> None:
    scheme, _, encoded = basic_authorization("gateway", "pw").partition(" ")
    assert (scheme, base64.b64decode(encoded)) == ("Basic", b"gateway:pw")


@pytest.mark.parametrize("share_links", [False, True])
def test_viewer_has_a_configuration_for_whatever_a_user_may_do(share_links: bool) -> None:
    source = DicomWebSource(name="Archive", capabilities={})
    *files, style = viewer_files(source, 900, UNCHANGED, share_links=share_links)
    names = ["read", "read-download", "store", "store-download"]
    expected = {*names, "shared", *(f"{name}-share" for name in names)} if share_links else set(names)
    assert {file.path.rpartition("/")[2] for file in files} == {f"app-config.{name}.js" for name in expected}
    assert style.path.endswith("/www/pages/viewer.css")


def test_every_page_and_theme_file_lands_in_its_container() -> None:
    for share_links, folders in ((False, ["pages"]), (True, ["pages", "share_pages"])):
        pages = {path.name for folder in folders for path in (ROOT / "assets/gateway" / folder).iterdir()}
        files = page_files(share_links=share_links)
        assert {file.path.removeprefix("/etc/ohif/www/pages/") for file in files} == pages
    themes = ROOT / "assets/keycloak/themes"
    landed = {
        file.path.removeprefix("/opt/keycloak/themes/"): base64.b64decode(file.content_base64 or "")
        for file in theme_files()
    }
    assert landed == {
        path.relative_to(themes).as_posix(): path.read_bytes() for path in themes.rglob("*") if path.is_file()
    }


def test_session_store_wants_its_password_and_takes_sessions_while_the_disk_is_full(local: Deployment) -> None:
    lines = local.container("sessions").files["/etc/valkey/valkey.conf"].splitlines()
    assert f"requirepass {local.secrets['secrets-session-store']}" in lines
    assert {"appendonly no", "stop-writes-on-bgsave-error no", "shutdown-on-sigterm save force"} <= set(lines)


def test_database_reads_its_password_from_a_file(local: Deployment) -> None:
    for owner, secret in (("keycloak", "secrets-keycloak-database"), ("orthanc", "secrets-archive-database")):
        database = local.container(f"{owner}-db")
        assert database.files[database.environment["POSTGRES_PASSWORD_FILE"]] == local.secrets[secret]
        assert "POSTGRES_PASSWORD" not in database.environment


@pytest.mark.parametrize("archive", ["orthanc", "dcm4chee"])
def test_default_images_are_used(archive: str) -> None:
    # The image of certbot has Python, which sends DuckDNS the address too.
    names = {"dns": "duckdns", "duckDns": {"token": "t"}, "host": "my-lab.duckdns.org"}
    logs = {"auditDays": 1, "logs": {"host": "logs.example.org", "caCertificate": signed("a hospital's").pem}}
    made = run_program({"archive": archive, "backup": {"repository": "/srv/backup"}, **names, **logs})
    wanted = {it.name for it in DEFAULT_IMAGES.values() if it.archive in (None, archive)}
    assert {it.inputs["name"] for it in made.of_type("RemoteImage")} == wanted


def test_the_archives_files_are_in_a_folder_of_the_machine() -> None:
    """Which the backup may read, and which is an error if it is missing: the engine makes no empty one."""
    made = run_program({"files": {"path": "/mnt/nas/ohif"}, "backup": {"repository": "/srv/backup"}})
    (volume,) = [it for it in made.of_type("Volume") if it.inputs["name"] == "ohif-dev-files"]
    assert volume.inputs["driverOpts"] == {"type": "none", "o": "bind", "device": "/mnt/nas/ohif"}
    assert "ohif-dev-orthanc" not in {it.inputs["name"] for it in made.of_type("Volume")}
    mounted = {
        name: [(it["containerPath"], it.get("readOnly")) for it in made.container(name).inputs["volumes"]]
        for name in ("orthanc", "backup")
    }
    assert ("/var/lib/orthanc/db", None) in mounted["orthanc"]
    assert ("/data/archive", True) in mounted["backup"]
    (choice,) = made.of_type("ArchiveChoice")
    assert choice.inputs["places"] == {"files": "/mnt/nas/ohif"}


def test_known_problem_14_keycloak_knows_its_public_address(deployment: Deployment) -> None:
    environment = deployment.container("keycloak").environment
    assert environment["KC_HOSTNAME"] == deployment.stack_outputs["viewerUrl"] + "keycloak"
    assert environment["KC_HTTP_RELATIVE_PATH"] == "/keycloak"
    assert environment["KC_PROXY_HEADERS"] == "xforwarded"
    assert environment["KC_HTTP_ENABLED"] == "true"


def test_keycloak_runs_in_production_mode_alone(local: Deployment) -> None:
    keycloak = local.container("keycloak")
    assert keycloak.inputs["command"][0] == "start"
    assert keycloak.environment["KC_CACHE"] == "local"
    assert keycloak.environment["KC_BOOTSTRAP_ADMIN_PASSWORD"] == local.secrets["secrets-user-admin"]
