"""The pages: a fixed set of files that we serve ourselves. They hold no data; scripts fetch it from the API."""

from collections.abc import Callable
from importlib.resources import files

from fastapi import APIRouter, HTTPException, Request, Response

from sigma_assets.base.errors import PortfolioNotFoundError
from sigma_assets.reports.page import SCRIPT, STYLE, page_file
from sigma_assets.reports.rendering import environment
from sigma_assets.web.cache import Answer

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

READ = ["GET", "HEAD"]
"""A monitor asks for the head alone."""

router = APIRouter(include_in_schema=False)


def _file(name: str, content: bytes) -> Answer:
    """Return a file that is served as it was when the server started."""
    return Answer(content, f"{TYPES[name.rpartition('.')[2]]}; charset=utf-8", {"Cache-Control": "no-cache"})


def _page(template: str, **parts: str) -> Answer:
    """Return a page that holds no data, as it is for everybody."""
    return _file(template, environment("sigma_assets.web").get_template(template).render(parts).encode())


FILES = {
    **{
        entry.name: _file(entry.name, entry.read_bytes())
        for entry in files("sigma_assets.web").joinpath("static").iterdir()
        if entry.name.rpartition(".")[2] in TYPES
    },
    STYLE: _file(STYLE, page_file(STYLE).encode()),
    SCRIPT: _file(SCRIPT, page_file(SCRIPT).encode()),
    "index.html": _page("index.html"),
    "onboarding.html": _page("onboarding.html"),
    "report.html": _page("fetched.html", title="Portfolio", script="report", command="report ID --html FILE"),
    "explain.html": _page("fetched.html", title="Explanation", script="explain", command="explain ID TABLE.COLUMN"),
}


def page_or_shell(request: Request, name: str, make: Callable[[], Answer], *, is_guarded: bool) -> Response:
    """Return a page with data; without, where a token is needed for them, or where there are none.

    Its script then asks the API, with the token, and says what that answers.
    """
    shell = FILES[name]
    if is_guarded:
        return shell.response(request)
    try:
        return make().response(request, **{"Cache-Control": "private, no-cache"})
    except (HTTPException, PortfolioNotFoundError):
        return Response(shell.body, status_code=404, media_type="text/html")


@router.api_route("/", methods=READ)
def portfolios_page(request: Request) -> Response:
    """Return the list of portfolios."""
    return FILES["index.html"].response(request)


@router.api_route("/onboarding/{portfolio_id}", methods=READ)
def onboarding_page(request: Request, portfolio_id: str) -> Response:
    """Return the page of an onboarding; its script says so if there is no such portfolio."""
    return FILES["onboarding.html"].response(request)


@router.api_route("/favicon.ico", methods=READ)
def icon(request: Request) -> Response:
    """Return the icon: browsers ask for it by this name while one page takes the place of another."""
    return FILES["favicon.svg"].response(request)


@router.api_route("/static/{name}", methods=READ)
def static_file(request: Request, name: str) -> Response:
    """Return one of our files; a name is looked up, never made into a path."""
    if name not in FILES:
        raise HTTPException(404, "there is no such file")
    return FILES[name].response(request)
