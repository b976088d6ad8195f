"""What the X API refuses, in words: what happened and what to do. Asking again helps against none of these by itself.

An error's message never holds the bearer token, an answer's body or a post's text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from musktracker.config import MASK
from musktracker.errors import MuskTrackerError
from musktracker.text import printable

LONGEST_DETAIL = 300


class XApiError(MuskTrackerError):
    """The X API did not do what was asked."""


class Unavailable(XApiError):
    """Every retry failed: the service or the way to it is down. What was fetched before holds; go on later."""


class RateLimited(Unavailable):
    """Still refused for too many requests after waiting several times as long as the API asked."""


class Unauthorized(XApiError):
    """The bearer token is missing, mistyped or revoked (401)."""


class Forbidden(XApiError):
    """The token's project or plan may not do this (403)."""


class CreditsDepleted(XApiError):
    """No credits are left, or the spending limit is reached (402)."""


class UsageCapReached(XApiError):
    """The project has read all the posts of its month (429, usage-capped); waiting minutes does not help."""


class InvalidRequest(XApiError):
    """The API names a parameter that it does not take (400). `parameters` are the names it gave."""

    def __init__(self, message: str, hint: str | None = None, parameters: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.parameters = parameters


class PageTokenRefused(InvalidRequest):
    """A page token is no longer known: begin again at the lowest id that was stored."""


class NotFound(XApiError):
    """There is nothing at this address (404)."""


class AccountError(XApiError):
    """The account's posts cannot be read, whoever asks."""


class AccountNotFound(AccountError):
    """There is no such account: mistyped, renamed or deleted."""


class AccountSuspended(AccountError):
    """The account is suspended."""


class AccountProtected(AccountError):
    """The account shows its posts to its followers alone."""


def refusal(status: int, body: Any, asked: str, token: str) -> XApiError:
    """The error for an answer of 400 to 499 that no retry mends; `asked` says what was asked, in words."""
    said = _said(body, token)
    match status:
        case 400:
            parameters = tuple(_parameters(body))
            if any(name in ("pagination_token", "next_token") for name in parameters):
                return PageTokenRefused(
                    f"The X API no longer knows a page token of {asked}{said}",
                    "Fetch again from the lowest id that is stored",
                    parameters,
                )
            return InvalidRequest(
                f"The X API does not take the request for {asked}{said}",
                "If MuskTracker is up to date, the API has changed: please report it",
                parameters,
            )
        case 401:
            return Unauthorized(
                f"The X API refuses the bearer token (401){said}",
                "Put a valid one in X_BEARER_TOKEN: developer portal, your app, Keys and tokens",
            )
        case 402:
            return CreditsDepleted(
                f"The X API wants payment before it answers (402){said}",
                "Buy credits or raise the spending limit in the developer portal, then start again: it goes on "
                "where it stopped",
            )
        case 403:
            return Forbidden(
                f"The X API does not allow {asked} with this token (403){said}",
                "Check in the developer portal that the app belongs to a project, is not suspended, and that its "
                "plan includes this",
            )
        case 404:
            return NotFound(
                f"The X API has nothing at the address for {asked} (404){said}",
                "Check x_api_base_url (musktracker config) and the account",
            )
        case _:
            return XApiError(f"The X API refuses the request for {asked} ({status}){said}", "Try again later")


def usage_cap(body: Any, token: str) -> UsageCapReached:
    """The error for a project that has read all it may this month."""
    return UsageCapReached(
        f"The project's usage cap of the X API is reached{_said(body, token)}",
        "Wait for the day on which it starts anew (GET /2/usage/tweets names it) or raise it in the developer "
        "portal; what is stored stays, and the rest is fetched then",
    )


def account_error(problem: Mapping[str, Any], account: str) -> AccountError | None:
    """What an entry of `errors` says of the account asked for; None where it speaks of something else."""
    detail, title, kind = (str(problem.get(name, "")).lower() for name in ("detail", "title", "type"))
    resource = str(problem.get("resource_type", "user")).lower()
    if resource != "user":
        return None
    if "suspended" in detail:
        return AccountSuspended(
            f"X has suspended the account {account}", "Its posts cannot be read until that is lifted"
        )
    if "not-authorized" in kind or "authorization" in title:
        return AccountProtected(
            f"The account {account} is protected: it shows its posts to its followers alone",
            "Its posts cannot be read with a bearer token",
        )
    if "not-found" in kind or "not found" in title:
        return AccountNotFound(
            f"X knows no account {account}", "Check the setting account: it may be mistyped, renamed or deleted"
        )
    return None


def is_usage_cap(body: Any) -> bool:
    """Whether the body of a 429 says that the month's reads are spent."""
    return any(
        "usage-cap" in str(problem.get("type", "")) or "UsageCap" in str(problem.get("title", ""))
        for problem in problems(body)
    )


def problems(body: Any) -> Iterator[Mapping[str, Any]]:
    """The problems of an answer, in whichever of its shapes they come."""
    if isinstance(body, Mapping):
        if "title" in body or "detail" in body:
            yield body
        errors = body.get("errors")
        for entry in errors if isinstance(errors, list) else ():
            if isinstance(entry, Mapping):
                yield entry


def described(problem: Mapping[str, Any], token: str = "") -> str:
    """A problem in one short line that is safe to show and to log."""
    parts = (problem.get("title"), problem.get("detail") or problem.get("message"))
    words = list(dict.fromkeys(" ".join(str(part).split()) for part in parts if part))
    text = printable(": ".join(words))
    if token:
        text = text.replace(token, MASK)
    return text if len(text) <= LONGEST_DETAIL else text[: LONGEST_DETAIL - 1] + "…"


def _said(body: Any, token: str) -> str:
    found = list(dict.fromkeys(filter(None, (described(problem, token) for problem in problems(body)))))
    more = [text for text in found if text.lower() not in ("unauthorized", "forbidden", "not found")]
    return f": {'; '.join(more[:2])}".rstrip(".") if more else ""


def _parameters(body: Any) -> Iterator[str]:
    for problem in problems(body):
        named = problem.get("parameters")
        if isinstance(named, Mapping):
            yield from map(str, named)
