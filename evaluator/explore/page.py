"""The page as one document: its policy lets nothing run but its own script, and nothing be asked but its own server."""

from __future__ import annotations

from collections.abc import Mapping

from clay_eval.schemas.pages import environment, only_script, policy, script_of, template

_SCRIPTS = (
    "address.js",
    "server.js",
    "tiles.js",
    "answers.js",
    "map.js",
    "conditions.js",
    "query.js",
    "page.js",
)
_RULES = ("connect-src 'self'", "img-src 'self' blob:", "base-uri 'none'", "form-action 'none'")


def page(title: str) -> tuple[str, str]:
    """The page of the data called `title`, and the policy that it is to be sent with."""
    script = script_of(__package__, _SCRIPTS)
    rules = policy(*_RULES, only_script(script))
    html = (
        environment(__package__)
        .get_template("explore.html")
        .render(title=title, policy=rules, style=template(__package__, "explore.css"), script=script)
    )
    return html, f"{rules}; frame-ancestors 'none'"


def security_headers(content_policy: str) -> Mapping[str, str]:
    """What every answer carries: nothing of it is guessed, framed, told to other sites or kept by default."""
    return {
        "Content-Security-Policy": content_policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-store",
    }
