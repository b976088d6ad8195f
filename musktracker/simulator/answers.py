"""The bodies of the API's answers: posts, problems, pages; in the shapes of the real one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from musktracker.simulator.account import CREATED, made_at

TEXT = "simulated text, which nobody keeps"  # in every post, so that a leak of text is found
PROBLEMS = "https://api.twitter.com/2/problems"
HTML = (
    b"<!DOCTYPE html><html><head><title>X / Error</title></head><body><h1>Something is technically wrong.</h1>"
    b"</body></html>"
)
REFERENCES = {"reply": "replied_to", "quote": "quoted", "repost": "retweeted"}


class Refused(Exception):
    """The request gets an error: its status, body, and headers."""

    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or {}


def post(number: int, kind: str, history: Sequence[int], fields: frozenset[str], author: int) -> bytes:
    """A post with the fields asked for, as JSON; text comes whether asked for or not, as from the real API."""
    noun = "post" if any("_post" in name for name in fields) else "tweet"
    value: dict[str, Any] = {
        "id": str(number),
        "text": f"{TEXT} {number}",
        f"edit_history_{noun}_ids": [str(version) for version in history],
    }
    if "created_at" in fields:
        value["created_at"] = f"{made_at(number):%Y-%m-%dT%H:%M:%S}.000Z"
    if f"referenced_{noun}s" in fields and kind != "original":
        value[f"referenced_{noun}s"] = [{"type": REFERENCES[kind], "id": str(number - (1 << 32))}]
    if "author_id" in fields:
        value["author_id"] = str(author)
    return json.dumps(value).encode()


def without_time(entry: bytes) -> bytes:
    """A post as before, less its created_at."""
    value = json.loads(entry)
    value.pop("created_at", None)
    return json.dumps(value).encode()


def without_id(entry: bytes) -> bytes:
    """A post as before, but for its id, which is null."""
    return json.dumps(json.loads(entry) | {"id": None}).encode()


def page(posts: Sequence[bytes], meta: dict[str, Any], errors: list[dict[str, Any]] | None = None) -> bytes:
    """A page of posts; without posts there is no `data`."""
    data = b'"data":[' + b",".join(posts) + b"]," if posts else b""
    ending = b',"errors":' + json.dumps(errors).encode() if errors else b""
    return b"{" + data + b'"meta":' + json.dumps(meta).encode() + ending + b"}"


def event(kind: str, post: bytes, number: int, author: int, tag: str) -> bytes:
    """A line of the activity stream; what comes along with a post holds text, too, as from the real API."""
    payload: dict[str, Any] = {"id": str(number), "author_id": str(author)}
    user = {"id": str(author), "name": "Simulated", "description": TEXT}
    includes: dict[str, Any] = {"users": [user]}
    if kind == CREATED:
        payload = json.loads(post)
        includes["tweets"] = [payload]
    data = {"event_uuid": str(number), "filter": {"user_id": str(author)}, "event_type": kind, "tag": tag}
    return json.dumps({"data": {**data, "payload": payload, "includes": includes}}).encode()


def too_many_connections() -> dict[str, Any]:
    """The body of the 429 of an app that has its connections to the stream already."""
    return {
        "title": "ConnectionException",
        "detail": "This stream is currently at the maximum allowed connection limit.",
        "connection_issue": "TooManyConnections",
        "type": f"{PROBLEMS}/streaming-connection",
    }


def invalid_request(problems: list[dict[str, Any]]) -> dict[str, Any]:
    """The body of a 400."""
    return {
        "errors": problems,
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": f"{PROBLEMS}/invalid-request",
    }


def plain(status: int, title: str) -> dict[str, Any]:
    """The body of an error without a type of its own."""
    return {"title": title, "detail": title, "type": "about:blank", "status": status}


def usage_capped() -> dict[str, Any]:
    """The body of the 429 of a month that is spent."""
    return {
        "account_id": 4242,
        "product_name": "standard-basic",
        "title": "UsageCapExceeded",
        "period": "Monthly",
        "scope": "Product",
        "detail": "Usage cap exceeded: Monthly product cap",
        "type": f"{PROBLEMS}/usage-capped",
    }


def credits_depleted() -> dict[str, Any]:
    """The body of a 402."""
    return {
        "account_id": 4242,
        "title": "CreditsDepleted",
        "detail": "Your enrolled account [4242] does not have any credits to fulfill this request.",
        "type": f"{PROBLEMS}/credits",
    }


def client_forbidden() -> dict[str, Any]:
    """The body of the 403 of an app whose plan does not include the endpoint."""
    return {
        "reason": "client-not-enrolled",
        "required_enrollment": "Appropriate Level of API Access",
        "title": "Client Forbidden",
        "detail": "When authenticating requests to the X API v2 endpoints, you must use keys and tokens from a "
        "developer App that is attached to a Project.",
        "registration_url": "https://developer.x.com/en/docs/projects/overview",
        "type": f"{PROBLEMS}/client-forbidden",
        "client_id": "4242",
    }


def account_problem(state: str, value: str, parameter: str) -> dict[str, Any]:
    """The entry in `errors` for an account that is missing, suspended or protected."""
    entry = {"value": value, "resource_id": value, "parameter": parameter, "resource_type": "user"}
    if state == "suspended":
        return entry | {
            "title": "Forbidden",
            "detail": f"User has been suspended: [{value}].",
            "type": f"{PROBLEMS}/resource-not-found",
        }
    if state == "protected":
        return entry | {
            "title": "Authorization Error",
            "detail": f"Sorry, you are not authorized to see the user with {parameter}: [{value}].",
            "type": f"{PROBLEMS}/not-authorized-for-resource",
        }
    return entry | {
        "title": "Not Found Error",
        "detail": f"Could not find user with {parameter}: [{value}].",
        "type": f"{PROBLEMS}/resource-not-found",
    }


def post_not_found(number: int) -> dict[str, Any]:
    """The entry in `errors` for a post that is not there."""
    return {
        "value": str(number),
        "detail": f"Could not find tweet with ids: [{number}].",
        "title": "Not Found Error",
        "resource_type": "tweet",
        "parameter": "ids",
        "resource_id": str(number),
        "type": f"{PROBLEMS}/resource-not-found",
    }


def post_unavailable(number: int) -> dict[str, Any]:
    """The entry in `errors` for a post that a part of the service could not deliver this time."""
    return {
        "value": str(number),
        "detail": f"Tweet [{number}] could not be loaded. Please try again later.",
        "title": "Service Unavailable",
        "resource_type": "tweet",
        "parameter": "id",
        "resource_id": str(number),
        "type": "about:blank",
    }
