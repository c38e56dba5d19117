"""The routes of the page: JSON and pictures behind the guard, every error told in words and without a path of the disk.

GET  /TOKEN/                            the page
GET  /TOKEN/api/about                   entities, conditions, methods
GET  /TOKEN/api/E/find                  pictures by name (text), key or row
GET  /TOKEN/api/E/picture/ROW/SIDE      a picture by its row, small or large
GET  /TOKEN/api/E/uploaded/NAME/SIDE    a picture that was dropped in
POST /TOKEN/api/E/upload                the bytes of a picture
POST /TOKEN/api/E/neighbours            who is near
POST /TOKEN/api/E/why                   the values of two pictures
POST /TOKEN/api/E/map                   where all lie
GET, POST, DELETE /TOKEN/api/E/conditions/NAME   texts: look, add, forget
GET, POST /TOKEN/api/E/texts            all texts as a file; keep them
POST /TOKEN/api/E/selection/FORMAT      keys (csv) or decisions (json)
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.validate import parse_json

from .explorer import Explorer
from .guards import Guard, TooLargeError, bounded_body
from .missing import MissingTextsError
from .page import page, security_headers
from .thumbnails import SIDES
from .workbench import Question

MOST_JSON = 16 << 20
MOST_PICTURE = 32 << 20
"""Bytes of a picture that is dropped in."""
_MOST_FOUND = 30
_CHANGED, _TOO_LARGE, _WRONG = 409, 413, 400

Handler = Callable[[Request], Awaitable[Response]]


def application(explorer: Explorer, token: str) -> ASGIApp:
    """The page and what it asks for, behind the guard."""
    routes = _Routes(explorer)
    html, headers = page(explorer.title)
    app = Starlette(
        routes=[
            Route("/", lambda _: HTMLResponse(html)),
            Route("/api/about", routes.told(routes.about)),
            Route("/api/{entity}/find", routes.told(routes.find)),
            Route("/api/{entity}/picture/{row:int}/{side}", routes.told(routes.picture)),
            Route("/api/{entity}/uploaded/{name}/{side}", routes.told(routes.uploaded)),
            Route("/api/{entity}/upload", routes.told(routes.upload), methods=["POST"]),
            Route("/api/{entity}/neighbours", routes.told(routes.neighbours), methods=["POST"]),
            Route("/api/{entity}/why", routes.told(routes.why), methods=["POST"]),
            Route("/api/{entity}/map", routes.told(routes.plane), methods=["POST"]),
            Route(
                "/api/{entity}/conditions/{name}",
                routes.told(routes.condition),
                methods=["GET", "POST", "DELETE"],
            ),
            Route("/api/{entity}/texts", routes.told(routes.texts), methods=["GET", "POST"]),
            Route("/api/{entity}/selection/{format}", routes.told(routes.selection), methods=["POST"]),
        ]
    )
    return Guard(app, token, security_headers(headers))


class _Routes:
    """One method a route; what waits for products or decoders does so in a thread."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer

    def told(self, handler: Handler) -> Handler:
        """`handler`, its errors as JSON: what, where, expected, found, hint."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except ClayEvalError as error:
                return JSONResponse({"error": self._error(error)}, _status(error))

        return answer

    async def about(self, _: Request) -> Response:
        """Entities, conditions, methods."""
        return JSONResponse(await run_in_threadpool(self._explorer.about))

    async def find(self, request: Request) -> Response:
        """Pictures by name."""
        collection = self._explorer.workbench(request.path_params["entity"]).collection
        key = request.query_params.get("key")
        row = request.query_params.get("row", "")
        if row.isdecimal():
            rows = [collection.require_row(int(row[:12]))]
        elif key is not None:
            rows = [found] if (found := collection.row(key)) is not None else []
        else:
            text = request.query_params.get("text", "")[:300]
            rows = await run_in_threadpool(collection.find, text, _MOST_FOUND)
        return JSONResponse([collection.shown(row) for row in rows])

    async def picture(self, request: Request) -> Response:
        """A picture of the data."""
        entity, row, side = (request.path_params[name] for name in ("entity", "row", "side"))
        return await self._jpeg(lambda: self._explorer.picture(entity, row, _side(side)))

    async def uploaded(self, request: Request) -> Response:
        """A picture of the user's."""
        entity, name, side = (request.path_params[part] for part in ("entity", "name", "side"))
        return await self._jpeg(lambda: self._explorer.uploaded(entity, name, _side(side)))

    async def _jpeg(self, make: Callable[[], bytes]) -> Response:
        data = await run_in_threadpool(make)
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    async def upload(self, request: Request) -> Response:
        """Take a picture as a query."""
        bench = self._explorer.workbench(request.path_params["entity"])
        data = await bounded_body(request, MOST_PICTURE, "the picture")
        return JSONResponse({"query": await run_in_threadpool(bench.upload, data)})

    async def neighbours(self, request: Request) -> Response:
        """Who is near, with the time it took in milliseconds."""
        bench = self._explorer.workbench(request.path_params["entity"])
        asked = await _json(request)
        question, methods = _question(asked), _texts(asked, "methods", 2)
        started = time.perf_counter()
        found = await run_in_threadpool(bench.neighbours, question, methods, asked.get("top", 24))
        took = 1000 * (time.perf_counter() - started)
        timing = {"Server-Timing": f"order;dur={took:.1f}"}
        return JSONResponse({**found, "ms": round(took, 1)}, headers=timing)

    async def why(self, request: Request) -> Response:
        """The values of two pictures."""
        bench = self._explorer.workbench(request.path_params["entity"])
        asked = await _json(request)
        return JSONResponse(await run_in_threadpool(bench.why, _query(asked), asked.get("row", -1)))

    async def plane(self, request: Request) -> Response:
        """The map, as bytes."""
        bench = self._explorer.workbench(request.path_params["entity"])
        asked = await _json(request)
        method, colour = _text(asked, "method"), _text(asked, "colour")
        data = await run_in_threadpool(bench.plane, method, _weights(asked), colour)
        return Response(data, media_type="application/octet-stream")

    async def condition(self, request: Request) -> Response:
        """Look at the texts of a condition, add it, or forget it."""
        entity, name = request.path_params["entity"], request.path_params["name"]
        bench = self._explorer.workbench(entity)
        if request.method == "DELETE":
            await run_in_threadpool(bench.remove, name)
            return JSONResponse({})
        if request.method == "GET":
            worded = bench.require_condition(name)
            return JSONResponse([{"text": text.text, "value": text.value} for text in worded.texts])
        asked = await _json(request)
        values, items = asked.get("values") or [], asked.get("texts") or []
        if not _all(values, str) or not _all(items, dict):
            raise InputError(
                "not a condition", where="request", expected="values, or texts with their values"
            )
        return JSONResponse(await run_in_threadpool(self._explorer.word, entity, name, values, items))

    async def texts(self, request: Request) -> Response:
        """All conditions as a file, or keep them."""
        entity = request.path_params["entity"]
        if request.method == "POST":
            return JSONResponse({"kept": await run_in_threadpool(self._explorer.save, entity)})
        record = await run_in_threadpool(self._explorer.texts, entity)
        return _file(
            json.dumps(record, indent=2, ensure_ascii=False) + "\n",
            "application/json",
            f"texts-{entity}.json",
        )

    async def selection(self, request: Request) -> Response:
        """The selected pictures as a file."""
        entity, kind = request.path_params["entity"], request.path_params["format"]
        asked = await _json(request)
        rows = asked.get("rows")
        if not isinstance(rows, list):
            raise InputError("not a selection", where="rows", expected="a list of rows")
        if kind == "csv":
            text = await run_in_threadpool(self._explorer.selection_table, entity, rows)
            return _file(text, "text/csv", f"selection-{entity}.csv")
        if kind != "decisions":
            raise InputError(
                "no such format", where="selection", expected="csv or decisions", found=kind[:80]
            )
        reason = _text(asked, "reason")
        record = await run_in_threadpool(self._explorer.selection_decisions, entity, rows, reason)
        return _file(json.dumps(record, indent=2) + "\n", "application/json", "decisions.json")

    def _error(self, error: ClayEvalError) -> dict[str, Any]:
        parts = {
            "what": error.what,
            "where": error.where,
            "expected": error.expected,
            "found": error.found,
            "hint": error.hint,
        }
        told: dict[str, Any] = {name: self._without_paths(text) for name, text in parts.items() if text}
        return {**told, "texts": error.texts} if isinstance(error, MissingTextsError) else told

    def _without_paths(self, text: str) -> str:
        for path in self._explorer.private:
            text = text.replace(f"{path}/", "").replace(path, "the data")
        return text


def _status(error: ClayEvalError) -> int:
    if isinstance(error, TooLargeError):
        return _TOO_LARGE
    return _CHANGED if isinstance(error, IntegrityError) else _WRONG


def _file(text: str, kind: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=kind, headers=headers)


async def _json(request: Request) -> Mapping[str, Any]:
    """The object in a request; InputError for anything else."""
    record = parse_json(await bounded_body(request, MOST_JSON, "the request"), "the request")
    if not isinstance(record, dict):
        raise InputError("not a request", where="request", expected="an object")
    return record


def _question(asked: Mapping[str, Any]) -> Question:
    return Question(_query(asked), _weights(asked))


def _query(asked: Mapping[str, Any]) -> int | str:
    query = asked.get("query")
    if isinstance(query, bool) or not isinstance(query, int | str):
        raise InputError(
            "no query", where="query", expected="a row, or the name of a picture that was dropped in"
        )
    return query


def _weights(asked: Mapping[str, Any]) -> dict[str, float]:
    weights = asked.get("weights") or {}
    if not isinstance(weights, dict) or not _all(list(weights.values()), (int, float)):
        raise InputError("not weights", where="weights", expected="a number a condition")
    return {name: float(weight) for name, weight in weights.items() if weight}


def _text(asked: Mapping[str, Any], name: str) -> str:
    text = asked.get(name, "")
    if not isinstance(text, str) or len(text) > 1000:
        raise InputError("not a text", where=name, expected="at most 1000 characters")
    return text


def _texts(asked: Mapping[str, Any], name: str, most: int) -> list[str]:
    texts = asked.get(name)
    if not isinstance(texts, list) or not _all(texts, str) or not 1 <= len(texts) <= most:
        raise InputError("not a list of texts", where=name, expected=f"1 to {most}")
    return texts


def _all(items: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(items, list) and all(
        isinstance(item, kind) and not isinstance(item, bool) for item in items
    )


def _side(side: str) -> str:
    if side not in SIDES:
        raise InputError("no such size", where="side", expected=list(SIDES), found=side[:20])
    return side
