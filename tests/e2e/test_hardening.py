"""The running containers: what the engine lets them do, whom they reach, and how guessing is stopped."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.harness import NAME, THINGS, Stack, wait_until
from tests.e2e.other_containers import another_gateway, neighbour, network_name, reached_from
from tools.dicomweb import GatewayClientError, StackOutputs, client, login_form, sign_in

MEBI = 1024 * 1024
NETWORKS = {
    "gateway": {"edge", "identity", "imaging", "archive"},
    "auth-proxy": {"identity", "sessions"},
    "sessions": {"sessions"},
    "keycloak": {"identity", "keycloak-db"},
    "keycloak-db": {"keycloak-db"},
    "orthanc": {"archive", "orthanc-db"},
    "orthanc-db": {"orthanc-db"},
    "viewer": {"imaging"},
}
WITH_A_WAY_OUT = {"edge"}
GATEWAY = {("gateway", 8080), ("gateway", 11112)}
REACHED = {
    # A neighbour on their network reaches these; each requires a credential, or reveals nothing about users.
    "imaging": {*GATEWAY, ("viewer", 8080)},
    "archive": {*GATEWAY, ("orthanc", 8042), ("orthanc", 4242)},
    "identity": {*GATEWAY, ("auth-proxy", 4180), ("keycloak", 8080), ("keycloak", 9000)},
    "edge": GATEWAY,
    "sessions": {("auth-proxy", 4180), ("sessions", 6379)},
    "orthanc-db": {("orthanc", 8042), ("orthanc", 4242), ("orthanc-db", 5432)},
}
BURST = 60
"""Sign-ins of one address that pass at once: a ward at the start of its shift."""
FLOOD = 150
WRONG_PASSWORDS = 15
LOGINS = 400
TOKEN_LIFE = 13
"""Seconds after which an access token of the stack of these tests has been renewed."""


@pytest.mark.parametrize("thing", THINGS)
def test_the_engine_holds_the_container_in(stack: Stack, thing: str) -> None:
    inspected = stack.container(thing).attrs
    host = inspected["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert not host["Devices"]
    assert host["PidMode"] in ("", "private")
    assert host["IpcMode"] in ("", "private", "shareable")
    assert host["UsernsMode"] == ""
    # The archive holds large objects twice while it stores them.
    assert 64 * MEBI <= host["Memory"] <= (2048 if thing == "orthanc" else 1024) * MEBI
    assert host["MemorySwap"] == host["Memory"], "no swap beyond it"
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "20m", "max-file": "5"}}
    assert inspected["Config"]["User"].split(":")[0] not in ("", "0", "root")


@pytest.mark.parametrize("thing", THINGS)
def test_the_kernel_holds_the_process_in(stack: Stack, thing: str) -> None:
    """Not what was asked for but what came of it, of the first process in the container."""
    said = stack.container(thing).exec_run(["cat", "/proc/1/status"]).output
    assert isinstance(said, bytes)
    status = dict(line.split(":\t", 1) for line in said.decode().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    for kind in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert "0" not in status["Uid"].split()
    assert int(status["Seccomp"]) in (0, 2)


@pytest.mark.parametrize("thing", THINGS)
def test_nothing_of_the_machine_is_mounted(stack: Stack, thing: str) -> None:
    inspected = stack.container(thing).attrs
    for mount in inspected["Mounts"]:
        assert mount["Type"] == "volume", mount
        assert "docker.sock" not in mount["Source"]
        assert mount["Name"].startswith(f"ohif-{NAME}-")
    for options in inspected["HostConfig"]["Tmpfs"].values():
        assert {"noexec", "nosuid", "nodev"} <= set(options.split(","))


@pytest.mark.parametrize("thing", THINGS)
def test_only_the_gateway_publishes_a_port(stack: Stack, thing: str) -> None:
    inspected = stack.container(thing).attrs
    published = [binding for port in inspected["NetworkSettings"]["Ports"].values() for binding in port or []]
    assert inspected["HostConfig"]["NetworkMode"] != "host"
    assert not inspected["HostConfig"]["PublishAllPorts"]
    assert [binding["HostIp"] for binding in published] == (["127.0.0.1"] * 2 if thing == "gateway" else [])


@pytest.mark.parametrize("thing", THINGS)
def test_every_container_is_on_its_own_networks_only(stack: Stack, thing: str) -> None:
    joined = set(stack.container(thing).attrs["NetworkSettings"]["Networks"])
    assert joined == {network_name(network) for network in NETWORKS[thing]}


@pytest.mark.parametrize("network", sorted(set().union(*NETWORKS.values())))
def test_a_network_has_a_way_out_only_where_it_must(stack: Stack, network: str) -> None:
    assert stack.engine.networks.get(network_name(network)).attrs["Internal"] is (network not in WITH_A_WAY_OUT)


# --- What a neighbour reaches ---


@pytest.fixture(scope="module")
def reached(stack: Stack) -> dict[str, set[tuple[str, int]]]:
    """Containers and ports that a neighbour connects to, by the network that it is on."""
    with ThreadPoolExecutor(2) as pool:
        jobs = {network: pool.submit(reached_from, stack, network_name(network)) for network in REACHED}
        jobs["of another stack"] = pool.submit(reached_from, stack, "bridge")
        return {network: job.result() for network, job in jobs.items()}


@pytest.mark.parametrize("network", REACHED)
def test_a_neighbour_reaches_what_its_network_is_for(reached: dict[str, set[tuple[str, int]]], network: str) -> None:
    assert reached[network] == REACHED[network]


def test_a_container_outside_reaches_nothing(reached: dict[str, set[tuple[str, int]]]) -> None:
    assert reached["of another stack"] == set()


ASK = """
ask() {
  exec 3<>/dev/tcp/$1/$2
  printf "GET $3 HTTP/1.0\\r\\nHost: $1\\r\\n$4\\r\\n" >&3
  read -r _ code _ <&3
  exec 3<&-
  echo "$1 $3 $code"
}
"""


def test_the_archive_refuses_a_neighbour_without_the_gateways_credential(stack: Stack) -> None:
    paths = ("/", "/system", "/patients", "/dicom-web/studies", "/app/explorer.html", "/nowhere")
    authorizations = ("", "Authorization: Basic b3J0aGFuYzpvcnRoYW5j\\r\\n", "X-Forwarded-User: pacsadmin\\r\\n")
    asked = "\n".join(f'ask orthanc 8042 {path} "{line}"' for path in paths for line in authorizations)
    said = neighbour(stack, network_name("archive"), ASK + asked).splitlines()
    assert len(said) == len(paths) * len(authorizations)
    assert {line.split()[-1] for line in said} == {"401"}


def test_what_signs_people_in_shows_a_neighbour_nothing_of_anybody(stack: Stack) -> None:
    """On their networks the admin networks do not count, so nothing else is on their network; passwords still do."""
    asked = """
    ask auth-proxy 4180 /oauth2/auth ""
    ask auth-proxy 4180 /oauth2/auth "X-Forwarded-User: pacsadmin\\r\\nX-Forwarded-Groups: pacsadmin\\r\\n"
    ask keycloak 8080 /keycloak/admin/realms/ohif/users ""
    ask keycloak 9000 /keycloak/metrics ""
    ask keycloak 9000 /keycloak/health ""
    """
    said = neighbour(stack, network_name("identity"), ASK + asked).splitlines()
    assert [line.split()[-1] for line in said] == ["401", "401", "401", "404", "200"]


def test_the_store_of_sessions_and_the_databases_ask_for_a_password(stack: Stack) -> None:
    store = "exec 3<>/dev/tcp/sessions/6379; printf 'KEYS *\\r\\n' >&3; read -r answer <&3; echo $answer"
    assert neighbour(stack, network_name("sessions"), store).startswith("-NOAUTH")
    for owner in ("keycloak", "orthanc"):
        asked = f"psql -w -h {owner}-db -U {owner} -d {owner} -c 'select 1' 2>&1; echo exit $?"
        assert "no password supplied" in neighbour(stack, network_name(f"{owner}-db"), asked)


BEHIND = ("archive", "imaging", "identity")


@pytest.mark.parametrize("path", ["/keycloak/admin/realms", "/keycloak/realms/master", "/pacs/studies", "/healthz"])
def test_no_neighbour_is_an_administrator_and_no_service_asks_the_gateway(stack: Stack, path: str) -> None:
    """The archive sends what its administrators tell it to; every address is in this stack's admin networks."""
    authority = urlsplit(stack.url).netloc
    forged = ("X-Forwarded-For: 127.0.0.1\\r\\n", "X-Real-IP: 127.0.0.1\\r\\n", "")
    script = "\n".join(
        f"""exec 3<>/dev/tcp/gateway/8080
        printf 'GET {path} HTTP/1.1\\r\\nHost: {authority}\\r\\n{header}Connection: close\\r\\n\\r\\n' >&3
        code=none; read -r _ code _ <&3; exec 3<&-; echo "$code\""""
        for header in forged
    )
    for network in BEHIND:
        assert set(neighbour(stack, network_name(network), script).split()) <= {"none"}, network
    answered = set(neighbour(stack, network_name("edge"), script).split())
    assert answered == {"403" if path.startswith("/keycloak") else "401" if path.startswith("/pacs") else "200"}


# --- Keycloak's console ---

CONSOLE = (
    "/keycloak/admin/",
    "/keycloak/admin/master/console/",
    "/keycloak/admin/realms/ohif/users",
    "/keycloak/realms/master",
    "/keycloak/realms/master/protocol/openid-connect/token",
    "/keycloak/realms/master/account/",
    "/keycloak//admin/realms",
    "/keycloak/./admin/realms",
    "/keycloak/%61dmin/realms",
    "/keycloak/realms/ohif/../master/account/",
    "/keycloak/realms/ohif/%2e%2e/master/account/",
    "/keycloak/realms/ohif/..%2fmaster/account/",
    "/keycloak/realms%2fmaster/account/",
    "/keycloak/resources/../admin/realms",
)
NOT_FOUND = (
    "/keycloak/admin;/realms",
    "/keycloak/Admin/realms",
    "/keycloak/realms/ohif/..;/master/account/",
    "/keycloak/realms/ohif/..%5cmaster/account/",
    "/keycloak/realms/ohif/%252e%252e/master/account/",
    "/keycloak/realms/MASTER",
)
CLAIMS = ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "Forwarded", "X_Forwarded_For")


def test_the_console_answers_in_the_admin_networks_only(stack: Stack) -> None:
    with another_gateway(stack, admin_networks=["203.0.113.0/24"], networks=["identity", "imaging"]) as (outside, _):
        for path in CONSOLE:
            for method in ("GET", "POST", "OPTIONS"):
                asked = outside.build_request(method, "/", headers={"X-Forwarded-For": "203.0.113.9"})
                asked.url = asked.url.copy_with(raw_path=path.encode())
                assert outside.send(asked).status_code == 403, path
        for path in NOT_FOUND:
            asked = outside.build_request("GET", "/")
            asked.url = asked.url.copy_with(raw_path=path.encode())
            assert outside.send(asked).status_code == 404, path
        for claim in CLAIMS:
            claimed = {claim: "for=203.0.113.9" if claim == "Forwarded" else "203.0.113.9"}
            assert outside.get("/keycloak/admin/realms", headers=claimed).status_code == 403, claim
        # The realm of those who read is open: they sign in from anywhere.
        wait_until(lambda: outside.get("/keycloak/realms/ohif/account/").status_code == 200, "open realm", 10)
    with another_gateway(stack, admin_networks=["0.0.0.0/0"], networks=["identity"]) as (inside, _):
        wait_until(lambda: inside.get("/keycloak/realms/master").status_code == 200, "open console", 10)


# --- Guessing ---


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user of realm `ohif` that these tests made."""

    admin: httpx.Client
    """With the console user's token."""
    identifier: str
    name: str
    password: str

    @property
    def lockout(self) -> str:
        """Where Keycloak says whether the person is locked out, and forgets it."""
        return f"/keycloak/admin/realms/ohif/attack-detection/brute-force/users/{self.identifier}"


@pytest.fixture
def person(stack: Stack, outputs: StackOutputs) -> Iterator[Person]:
    """A person whom nobody else needs."""
    name, password = f"guessed-{secrets.token_hex(4)}", secrets.token_urlsafe(20)
    users = "/keycloak/admin/realms/ohif/users"
    with closing(client(stack.url)) as admin:
        token = admin.post(
            "/keycloak/realms/master/protocol/openid-connect/token",
            data={
                "grant_type": "password",
                "client_id": "admin-cli",
                "username": "admin",
                "password": outputs.credentials["admin"],
            },
        ).json()["access_token"]
        admin.headers["Authorization"] = f"Bearer {token}"
        credential = {"type": "password", "value": password, "temporary": False}
        made = admin.post(users, json={"username": name, "enabled": True, "credentials": [credential]})
        assert made.status_code == 201
        identifier = made.headers["location"].rpartition("/")[2]
        yield Person(admin=admin, identifier=identifier, name=name, password=password)
        admin.delete(f"{users}/{identifier}")


def refusal(url: str, user: str, password: str) -> str:
    """What the login page says to a person who is not let in."""
    with pytest.raises(GatewayClientError) as refused:
        sign_in(url, user, password)
    return str(refused.value).replace(user, "")


def test_guessing_a_password_locks_that_person_out_for_a_while(
    stack: Stack, outputs: StackOutputs, person: Person
) -> None:
    sign_in(stack.url, person.name, person.password).close()
    with closing(client(stack.url)) as guesser:
        action = login_form(guesser.get("/oauth2/start", follow_redirects=True).text)
        for guess in range(WRONG_PASSWORDS):
            assert action
            answer = guesser.post(
                action, data={"username": person.name, "password": f"guess-{guess}", "credentialId": ""}
            )
            action = login_form(answer.text)
    assert person.admin.get(person.lockout).json()["disabled"] is True
    # The right password is refused too, and the page does not say why.
    said = refusal(stack.url, person.name, person.password)
    assert said == refusal(stack.url, "somebody-unknown", "wrong-password")
    # Nobody else is.
    sign_in(stack.url, "viewer", outputs.credentials["viewer"]).close()
    # It ends.
    assert person.admin.delete(person.lockout).status_code == 204
    sign_in(stack.url, person.name, person.password).close()


def test_two_wrong_passwords_at_once_shut_nobody_out(stack: Stack, person: Person) -> None:
    """Else two requests a minute would keep anybody out whose name is known."""
    with closing(client(stack.url)) as guesser:
        action = login_form(guesser.get("/oauth2/start", follow_redirects=True).text)
        for guess in range(2):
            assert action
            form = {"username": person.name, "password": f"guess-{guess}", "credentialId": ""}
            action = login_form(guesser.post(action, data=form).text)
    assert person.admin.get(person.lockout).json()["numFailures"] == 2
    sign_in(stack.url, person.name, person.password).close()


def test_lock_out_ends_no_session(stack: Stack, person: Person) -> None:
    """A guesser can keep a user from signing in, and not from the work that is open."""
    with closing(sign_in(stack.url, person.name, person.password)) as at_work, closing(client(stack.url)) as guesser:
        action = login_form(guesser.get("/oauth2/start", follow_redirects=True).text)
        for guess in range(WRONG_PASSWORDS):
            assert action
            form = {"username": person.name, "password": f"guess-{guess}", "credentialId": ""}
            action = login_form(guesser.post(action, data=form).text)
        assert person.admin.get(person.lockout).json()["disabled"] is True
        time.sleep(TOKEN_LIFE)
        assert at_work.get("/oauth2/userinfo").status_code == 200
    person.admin.delete(person.lockout)


def test_a_ward_behind_one_address_signs_in_at_once_and_a_flood_does_not(stack: Stack, outputs: StackOutputs) -> None:
    """From a container, which has an address of its own: nobody else is refused meanwhile."""
    attempt = (
        "POST /keycloak/realms/ohif/login-actions/authenticate?client_id=ohif_viewer HTTP/1.1\\r\\n"
        f"Host: {urlsplit(stack.url).netloc}\\r\\nContent-Length: 0\\r\\n\\r\\n"
    )
    script = f"""
    exec 3<>/dev/tcp/gateway/8080
    for i in $(seq {FLOOD}); do printf '{attempt}'; done >&3 &
    while read -r -t 20 version code rest; do
      [[ $version == *HTTP/1.1 ]] && echo "$code" && (( ++seen == {FLOOD} )) && break
    done <&3
    true
    """
    codes = neighbour(stack, network_name("edge"), script).split()
    assert len(codes) == FLOOD
    assert "429" not in codes[:BURST]
    answers = Counter(codes)
    assert set(answers) == {"400", "429"}
    assert answers["429"] > 10
    sign_in(stack.url, "viewer", outputs.credentials["viewer"]).close()


def test_one_address_cannot_fill_keycloaks_memory_with_logins(stack: Stack) -> None:
    """Keycloak keeps each login that somebody starts. From a container: nobody else is refused meanwhile."""
    started = (
        "GET /%%6beycloak/realms/ohif/protocol/openid-connect/auth?client_id=nobody HTTP/1.1\\r\\n"
        f"Host: {urlsplit(stack.url).netloc}\\r\\n\\r\\n"
    )
    script = f"""
    exec 3<>/dev/tcp/gateway/8080
    for i in $(seq {LOGINS}); do printf '{started}'; done >&3 &
    while read -r -t 20 version code rest; do
      [[ $version == *HTTP/1.1 ]] && echo "$code" && (( ++seen == {LOGINS} )) && break
    done <&3
    true
    """
    codes = Counter(neighbour(stack, network_name("edge"), script).split())
    assert sum(codes.values()) == LOGINS
    assert set(codes) == {"400", "429"}
    # Other tests of this file may have used a part of the burst from the same address.
    assert codes["400"] >= 100
    assert codes["429"] > 10


SPELLINGS_OF_A_SIGN_IN = (
    "/keycloak/realms/ohif/login-actions/authenticate",
    "/keycloak/realms/ohif/protocol/openid-connect/token",
    "/keycloak/realms/master/protocol/openid-connect/token",
    "//keycloak/realms/ohif/protocol/openid-connect/token",
    "/keycloak//realms/ohif/protocol/openid-connect/token",
    "/keycloak/realms/master//protocol/openid-connect/token",
    "/./keycloak/realms/ohif/login-actions/authenticate",
    "/keycloak/realms/ohif/./login-actions/authenticate",
    "/keycloak/realms/ohif/protocol/openid-connect/%74oken",
    "/keycloak/realms/master/protocol/openid-connect/%74oken",
    "/%6beycloak/realms/ohif/protocol/openid-connect/token",
    "/keycloak%2frealms/ohif/protocol/openid-connect/token",
    "/x/../keycloak/realms/ohif/protocol/openid-connect/token",
    "/keycloak/realms/other/../ohif/protocol/openid-connect/token",
)


def test_sign_ins_are_limited_in_every_spelling(stack: Stack) -> None:
    """On a gateway of its own, so that the limits of the other tests' clients do not count."""
    with another_gateway(stack, admin_networks=["0.0.0.0/0"], networks=["identity"]) as (guesser, _):
        wait_until(lambda: guesser.get("/keycloak/realms/master").status_code == 200, "open console", 10)

        def attempt(path: str) -> int:
            asked = guesser.build_request("POST", "/", data={"grant_type": "password"})
            asked.url = asked.url.copy_with(raw_path=path.encode())
            return guesser.send(asked).status_code

        with ThreadPoolExecutor(8) as pool:
            for path in SPELLINGS_OF_A_SIGN_IN:
                answers: Counter[int] = Counter()
                # On a busy machine Keycloak answers few a second, and the first ones are within the limit.
                while answers[429] < 10 and answers.total() < 6 * BURST:
                    answers.update(pool.map(attempt, [path] * (BURST // 2)))
                assert answers[429] >= 10, (path, answers)
        assert guesser.get("/keycloak/realms/ohif/account/").status_code == 200
