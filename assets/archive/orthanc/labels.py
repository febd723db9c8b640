"""Labels of new studies, for Orthanc's Python plugin.

The first instance of a study decides, and a later one changes nothing: who can send one image into a study must not be
able to open it to another group. It gets the labels of every rule that matches. A study that a restricted user makes
gets the labels of that user's groups, until somebody else stores into it: who guesses the UID of a study to come does
not get to see it. That it was decided is written into the study's metadata. Studies without that mark, of a time
without rules or of one that a crash interrupted, are decided at the start, one after the other.
"""

import fnmatch
import json
import threading

import changes  # type: ignore[import-not-found]
import orthanc  # type: ignore[import-not-found]
import rights  # type: ignore[import-not-found]
from scripted import found  # type: ignore[import-not-found]

DECIDED = "Labelled"
"""Metadata of a study (orthanc_config.py gives it a number): who decided."""
BY_RULES, BY_SENDER = "rules", "sender:"
CALLING_AE_TITLE = "callingAeTitle"
PAGE = 100
KEPT = 100_000

deciding = threading.Lock()
decided: set[str] = set()
"""UIDs of studies that carry the mark."""


def matches(rule: dict, tags: dict, caller: str) -> bool:  # type: ignore[type-arg]
    """Whether all conditions of a rule hold."""
    return all(
        fnmatch.fnmatchcase(_text(caller if name == CALLING_AE_TITLE else tags.get(name)), pattern.lower())
        for name, pattern in rule["when"].items()
    )


def _text(value: object) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def by_rules(tags: dict, caller: str) -> set[str]:  # type: ignore[type-arg]
    """Labels of all rules that match."""
    return {label for rule in rights.SETTINGS["rules"] if matches(rule, tags, caller) for label in rule["labels"]}


def mark_of(study: str) -> str | None:
    """Who decided about a study, by Orthanc's own identifier; `None`: nobody yet."""
    if DECIDED not in json.loads(orthanc.RestApiGet(f"/studies/{study}/metadata")):
        return None
    mark: bytes = orthanc.RestApiGet(f"/studies/{study}/metadata/{DECIDED}")
    return mark.decode()


def decide(study: str, new: set[str], mark: str, old: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """Give a study new labels, take old ones away, and write the mark. Others, given by hand, stay."""
    for label in sorted(old - new):
        orthanc.RestApiDelete(f"/studies/{study}/labels/{label}")
    for label in sorted(new):
        orthanc.RestApiPut(f"/studies/{study}/labels/{label}", b"")
    orthanc.RestApiPut(f"/studies/{study}/metadata/{DECIDED}", mark.encode())


def stored(instance, identifier: str) -> None:  # type: ignore[no-untyped-def]
    """Called after each instance is stored, in the thread that stores it."""
    tags = json.loads(instance.GetInstanceSimplifiedJson())
    uid = tags.get("StudyInstanceUID", "")
    if uid in decided:
        return
    groups = rights.of_this_thread()
    with deciding:
        for study in found("Study", {"StudyInstanceUID": uid}):
            mark = mark_of(study)
            if groups is not None:
                if mark is None:
                    decide(study, set(groups), BY_SENDER + ",".join(groups))
            elif mark is None or mark.startswith(BY_SENDER):
                of_sender = set((mark or "").removeprefix(BY_SENDER).split(",")) & rights.labels_of(study)
                decide(study, by_rules(tags, instance.GetInstanceRemoteAet()), BY_RULES, of_sender)
        if len(decided) >= KEPT:
            decided.clear()
        if groups is None:
            decided.add(uid)
    # Who stores the first instance reads it at once.
    rights.kept.pop(uid, None)


def sweep() -> None:
    """Decide about studies that carry no mark."""
    since, count = 0, 0
    while identifiers := json.loads(orthanc.RestApiGet(f"/studies?since={since}&limit={PAGE}")):
        for study in identifiers:
            try:
                if mark_of(study) is not None:
                    continue
                # Read before the lock, which stores of new studies wait for.
                labels = _by_first_instance(study)
                with deciding:
                    if mark_of(study) is None:
                        decide(study, labels, BY_RULES)
                        count += 1
            except orthanc.OrthancException:
                orthanc.LogWarning(f"labels: study {study} was not labelled, as it cannot be read; it stays closed")
        since += len(identifiers)
        if count:
            orthanc.LogWarning(f"labels: {count} of {since} studies were labelled now")


def _by_first_instance(study: str) -> set[str]:
    instances = json.loads(orthanc.RestApiGet(f"/studies/{study}/instances?expand&requestedTags="))
    received = {it["ID"]: json.loads(orthanc.RestApiGet(f"/instances/{it['ID']}/metadata?expand")) for it in instances}
    first = min(received, key=lambda it: received[it].get("ReceptionDate", ""))
    tags = json.loads(orthanc.RestApiGet(f"/instances/{first}/simplified-tags"))
    return by_rules(tags, received[first].get("RemoteAET", ""))


def changed(change: orthanc.ChangeType, level: orthanc.ResourceType, resource: str) -> None:
    """Called for each change."""
    if change == orthanc.ChangeType.ORTHANC_STARTED:
        threading.Thread(target=sweep, daemon=True).start()
    elif change == orthanc.ChangeType.DELETED and level == orthanc.ResourceType.STUDY:
        # It may come again, and is decided again then.
        decided.clear()


orthanc.RegisterOnStoredInstanceCallback(stored)
changes.on_change(changed)
