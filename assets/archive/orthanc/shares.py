"""Share links, for Orthanc's Python plugin: they are made, listed, revoked, and opened here.

Who makes one must be able to read the study. Who has role pacsadmin sees and revokes those of everybody. The gateway
says who asks.
"""

import json
import secrets
import threading
import time

import orthanc  # type: ignore[import-not-found]
import rights  # type: ignore[import-not-found]
import share_links  # type: ignore[import-not-found]
from scripted import found  # type: ignore[import-not-found]

MAXIMUM_DAYS = rights.SETTINGS["shareDays"]
MAXIMUM_NOTE = 200
MAXIMUM_LINKS = 50
"""To one study."""
DAY = 86400
ADMINISTRATOR = "pacsadmin"

writing = threading.Lock()


class RefusedError(Exception):
    """A request that cannot be answered as asked: its status, and a sentence."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def write(study: str, links: dict[str, dict]) -> None:  # type: ignore[type-arg]
    """Keep a study's links, without those that have ended."""
    now = time.time()
    going = {label: link for label, link in links.items() if link["until"] > now}
    # First who is let in, then by what: a crash between the two opens nothing.
    orthanc.RestApiPut(f"/studies/{study}/metadata/{share_links.METADATA}", json.dumps(going).encode())
    labels = {it for it in rights.labels_of(study) if it.startswith(share_links.LABEL)}
    for label in sorted(labels - set(going)):
        orthanc.RestApiDelete(f"/studies/{study}/labels/{label}")
    for label in sorted(set(going) - labels):
        orthanc.RestApiPut(f"/studies/{study}/labels/{label}", b"")
    share_links.kept.clear()
    rights.kept.clear()


def make(uid: str, user: str, asked: object) -> dict:  # type: ignore[type-arg]
    """A new link to a study. Its secret is in the answer and nowhere else."""
    days, note = (asked.get("days"), asked.get("note", "")) if isinstance(asked, dict) else (None, "")
    if type(days) is not int or not 1 <= days <= MAXIMUM_DAYS:
        raise RefusedError(400, f"days must be a whole number from 1 to {MAXIMUM_DAYS}.")
    if not isinstance(note, str) or len(note) > MAXIMUM_NOTE or not (note + "x").isprintable():
        raise RefusedError(400, f"note must be one line of at most {MAXIMUM_NOTE} characters.")
    groups = rights.of_this_thread()
    if groups is not None and not rights.labels_of_uid(uid) & groups:
        raise RefusedError(404, "There is no such study.")
    studies = found("Study", {"StudyInstanceUID": uid})
    if len(studies) != 1:
        raise RefusedError(404, "There is no such study.")
    secret = secrets.token_urlsafe(32)
    label, now = share_links.label_of(secret), int(time.time())
    link = {"until": now + days * DAY, "made": now, "by": user, "note": note}
    with writing:
        links = share_links.links_of(studies[0])
        if sum(it["until"] > now for it in links.values()) >= MAXIMUM_LINKS:
            raise RefusedError(409, f"There are {MAXIMUM_LINKS} links to this study. Revoke one first.")
        write(studies[0], {**links, label: link})
    orthanc.LogWarning(f"shares: {user} made link {share_links.id_of(label)} to study {uid} for {days} days")
    return {"id": share_links.id_of(label), "secret": secret, "until": link["until"]}


def every() -> list[tuple[dict, str, dict]]:  # type: ignore[type-arg]
    """Study, label and link of each link that has not ended."""
    labels = [it for it in json.loads(orthanc.RestApiGet("/tools/labels")) if it.startswith(share_links.LABEL)]
    if not labels:
        return []
    return [
        (study, label, link)
        for study in share_links.studies_with(labels)
        for label, link in share_links.links_of(study["ID"]).items()
        if link["until"] > time.time()
    ]


def listed(user: str, everybody: bool) -> dict:  # type: ignore[type-arg]
    """The links that a user may see, the newest first."""
    links = [
        {
            **link,
            "id": share_links.id_of(label),
            "study": study["MainDicomTags"].get("StudyInstanceUID", ""),
            "patient": study["PatientMainDicomTags"].get("PatientName", ""),
            "description": study["MainDicomTags"].get("StudyDescription", ""),
            "date": study["MainDicomTags"].get("StudyDate", ""),
        }
        for study, label, link in every()
        if everybody or link["by"] == user
    ]
    return {"maximumDays": MAXIMUM_DAYS, "shares": sorted(links, key=lambda it: -it["made"])}


def revoke(identifier: str, user: str, everybody: bool) -> None:
    """End a link at once."""
    for study, label, link in every():
        if share_links.id_of(label) == identifier and (everybody or link["by"] == user):
            with writing:
                links = share_links.links_of(study["ID"])
                links.pop(label, None)
                write(study["ID"], links)
            orthanc.LogWarning(f"shares: {user} revoked link {identifier} of {link['by']}")
            return
    raise RefusedError(404, "There is no such link.")


def answer(method: str, uri: str, headers: dict[str, str], body: bytes) -> object:
    """What a user is answered. Raises RefusedError."""
    user, roles = headers.get("x-forwarded-user", ""), headers.get(rights.ROLES_HEADER, "").split(",")
    name = uri.removeprefix("/shares/")
    if not user or not {ADMINISTRATOR, "sharer"} & set(roles):
        raise RefusedError(403, "You may not make links.")
    if method == "GET" and name == "list":
        return listed(user, ADMINISTRATOR in roles)
    if method == "POST" and name.endswith("/revoke"):
        revoke(name.removesuffix("/revoke"), user, ADMINISTRATOR in roles)
        return {}
    if method == "POST" and name.startswith("studies/"):
        try:
            asked = json.loads(body)
        except ValueError:
            raise RefusedError(400, "The body must be JSON.") from None
        return make(name.removeprefix("studies/"), user, asked)
    raise RefusedError(405)


def callback(output, uri: str, **request) -> None:  # type: ignore[no-untyped-def]
    """Answer what users ask below /shares/."""
    try:
        made = answer(request["method"], uri, request["headers"], request.get("body") or b"")
        output.AnswerBuffer(json.dumps(made), "application/json")
    except RefusedError as error:
        output.SendHttpStatus(error.status, json.dumps({"error": error.text}).encode())
    except orthanc.OrthancException:
        output.SendHttpStatusCode(503)


def opened(output, uri: str, **request) -> None:  # type: ignore[no-untyped-def]
    """What the link shows whose secret the request has; the filter has refused any other."""
    shown = share_links.opened(request["headers"].get(rights.SHARE_HEADER, ""))
    if shown is None:
        output.SendHttpStatusCode(403)
        return
    label, link = shown
    # The gateway takes the name of who asks from this header of any answer.
    output.SetHttpHeader("X-Auth-Request-Preferred-Username", f"share:{share_links.id_of(label)}")
    output.AnswerBuffer(json.dumps({"study": link["study"], "until": link["until"]}), "application/json")


orthanc.RegisterRestCallback("/shares/opened", opened)
orthanc.RegisterRestCallback("/shares/(?:list|[0-9a-f]{16}/revoke|studies/[0-9.]+)", callback)
