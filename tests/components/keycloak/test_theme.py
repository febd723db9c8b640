"""What people see before they are in the viewer (sign-in theme, gateway's pages), and the README's picture."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOGIN = ROOT / "assets/keycloak/themes/ohif/login"
RESOURCES = LOGIN / "resources"
STYLES = sorted(RESOURCES.glob("css/*.css"))
THEME_CSS = RESOURCES / "css/ohif.css"
PALETTE_CSS = RESOURCES / "css/palette.css"
PAGES = ROOT / "assets/gateway/pages"
PAGES_CSS = PAGES / "pages.css"
ARCHITECTURE = ROOT / "docs/explanation/architecture.svg"

HTML = sorted(PAGES.glob("*.html"))
CSS = [*STYLES, PAGES_CSS]
SVG = [*sorted(RESOURCES.glob("img/*.svg")), ARCHITECTURE]
EXPECTED_PAGES = {"403.html", "404.html", "4xx.html", "429.html", "502.html", "sign-out.html", "signin-failed.html"}

THEME_LIGHT = (PALETTE_CSS, ":root")
THEME_DARK = (PALETTE_CSS, ":root.pf-v5-theme-dark")
PAGES_LIGHT = (PAGES_CSS, ":root")
PAGES_DARK = (PAGES_CSS, "@media (prefers-color-scheme: dark) { :root")
PALETTES = [THEME_LIGHT, THEME_DARK, PAGES_LIGHT, PAGES_DARK]
TEXT_ON_GROUND = [
    ("ink", "ground"),
    ("ink", "card"),
    ("ink", "field"),
    ("ink", "info-ground"),
    ("ink-soft", "card"),
    ("ink-soft", "edge-soft"),
    ("accent", "card"),
    ("accent", "info-ground"),
    ("accent-strong", "card"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("danger", "card"),
    ("danger", "danger-ground"),
    ("warning", "warning-ground"),
    ("success", "success-ground"),
]
ARCHITECTURE_PAIRS = [
    *[
        (text, ground)
        for text in ("ink", "soft")
        for ground in ("ground", "card", "zone", "door", "data")  # glossary: allow
    ],
    ("accent", "ground"),
]


def properties(path: Path) -> dict[str, str]:
    """Keys and values of a Java properties file, of the plain kind that the theme keeps to."""
    pairs: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, separator, value = line.partition("=")
        assert separator and re.fullmatch(r"[\w.-]+", key), f"{path.name}:{number}: not key=value"
        assert key not in pairs, f"{path.name}:{number}: {key} a second time"
        assert value.strip() == value != "", f"{path.name}:{number}: empty, or with blanks around"
        assert "\\" not in value, f"{path.name}:{number}: an escape, or a line that goes on"
        pairs[key] = value
    return pairs


def variables(css: Path, selector: str, prefix: str = "--ohif-") -> dict[str, str]:
    """Custom properties of the first rule with `selector`; blanks in the selector count as one."""
    text = re.sub(r"/\*.*?\*/", "", css.read_text("utf-8"), flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text)
    start = text.index(f"{selector} {{") + len(selector) + 2
    body = text[start : text.index("}", start)]
    pattern = rf'{prefix}([\w-]+):\s*((?:"[^"]*"|[^;"])+)'
    return {name: value.strip() for name, value in re.findall(pattern, body)}


def luminance(colour: str) -> float:
    """Relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2)."""
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    channels = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


class Page(HTMLParser):
    """What the tests want to know of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.text[self._open] = self.text.get(self._open, "") + data.strip()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of each element of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


def called(path: Path) -> str:
    """The name of a test's parameter."""
    return path.name


def test_contrast_formula() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


# Sign-in theme


def test_theme_adds_to_its_parent_and_replaces_nothing() -> None:
    theme = properties(LOGIN / "theme.properties")
    assert theme["parent"] == "keycloak.v2"
    assert theme["import"] == "common/keycloak"
    assert not {"styles", "stylesCommon", "scripts"} & theme.keys(), "these keys replace the parent's lists"
    assert [path.name for path in LOGIN.glob("*.ftl")] == ["footer.ftl"], "a copied template misses upgrades"


def test_theme_files_exist() -> None:
    theme = properties(LOGIN / "theme.properties")
    listed = [value for key, value in theme.items() if re.fullmatch(r"(styles|scripts|favicons)\.\w+", key)]
    drawn = re.findall(r'url\("\.\./([^"]+)"\)', THEME_CSS.read_text("utf-8"))
    assert drawn
    assert [name for name in {*listed, *drawn} if not (RESOURCES / name).is_file()] == []
    kept = {path.relative_to(RESOURCES).as_posix() for path in RESOURCES.rglob("*") if path.is_file()}
    assert kept == {*listed, *drawn}, "a file that nothing uses"


def test_messages_are_well_formed() -> None:
    messages = properties(LOGIN / "messages/messages_en.properties")
    odd = [key for key, text in messages.items() if re.search(r"(?<!')'(?:'')*(?!')", text)]
    assert odd == [], "MessageFormat swallows a single apostrophe"
    used = set(re.findall(r'msg\("(\w+)"\)', (LOGIN / "footer.ftl").read_text("utf-8")))
    assert used == {"ohifNotice"} <= messages.keys()
    assert "patients'' data" in messages["ohifNotice"] and "logged" in messages["ohifNotice"]


@pytest.mark.parametrize(
    ("said", "kept_secret"),
    [
        ("invalidUserMessage", r"invalidUser|invalidPasswordMessage|account(Tempor|Perman)\w+Message$"),
        ("invalidTotpMessage", r"account(Temporarily|Permanently)DisabledMessageTotp"),
    ],
)
def test_a_locked_account_reads_like_a_wrong_password(said: str, kept_secret: str) -> None:
    messages = properties(LOGIN / "messages/messages_en.properties")
    alike = {key: text for key, text in messages.items() if re.match(kept_secret, key)}
    assert len(alike) >= 2
    assert set(alike.values()) == {messages[said]}


# Looks


@pytest.mark.parametrize("path", [*CSS, *HTML, *SVG, LOGIN / "footer.ftl"], ids=called)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    text = unquote(path.read_text("utf-8"))
    text = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert re.findall(r"(?:https?:)?//[\w.-]+|@import|@font-face", text) == []


@pytest.mark.parametrize(("css", "selector"), PALETTES)
def test_text_is_legible(css: Path, selector: str) -> None:
    colours = variables(css, selector)
    pairs = [pair for pair in TEXT_ON_GROUND if set(pair) <= colours.keys()]
    assert len(pairs) >= 8
    faint = {pair: round(contrast(*(colours[name] for name in pair)), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in faint.items() if ratio < 4.5} == {}


@pytest.mark.parametrize(("css", "selector"), [THEME_LIGHT, THEME_DARK])
def test_edges_of_fields_are_seen(css: Path, selector: str) -> None:
    colours = variables(css, selector)
    assert contrast(colours["edge"], colours["field"]) >= 3
    assert contrast(colours["edge"], colours["card"]) >= 3


@pytest.mark.parametrize(("pages", "theme"), [(PAGES_LIGHT, THEME_LIGHT), (PAGES_DARK, THEME_DARK)])
def test_pages_wear_the_palette_of_the_theme(pages: tuple[Path, str], theme: tuple[Path, str]) -> None:
    ours = {name: value for name, value in variables(*pages).items() if not value.startswith("url(")}
    assert ours.items() <= variables(*theme).items()


@pytest.mark.parametrize("name", ["logo", "slice"])
def test_pages_embed_the_drawings_of_the_theme(name: str) -> None:
    drawing = re.sub(r"<!--.*?-->", "", (RESOURCES / f"img/{name}.svg").read_text("utf-8"), flags=re.DOTALL)
    embedded = variables(PAGES_CSS, ":root")[name]
    _, _, data = embedded.partition(",")
    assert unquote(data.removesuffix('")')) == re.sub(r">\s+<", "><", drawing.strip())


@pytest.mark.parametrize("path", SVG, ids=called)
def test_drawings_are_plain_svg(path: Path) -> None:
    names = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
    assert not names & {"script", "foreignObject", "image", "animate", "set"}
    assert path.stat().st_size < 16_000


@pytest.mark.parametrize("selector", ["svg", "@media (prefers-color-scheme: dark) { svg"])
def test_architecture_is_legible(selector: str) -> None:
    colours = variables(ARCHITECTURE, selector, "--")
    for pair in ARCHITECTURE_PAIRS:
        assert contrast(*(colours[name] for name in pair)) >= 4.5, pair


def test_motion_can_be_refused() -> None:
    assert "@media (prefers-reduced-motion: reduce)" in THEME_CSS.read_text("utf-8")
    assert not re.search(r"animation|transition", PAGES_CSS.read_text("utf-8"))


# The gateway's pages


def test_all_pages_are_there() -> None:
    assert {path.name for path in PAGES.iterdir()} == {*EXPECTED_PAGES, "pages.css"}


@pytest.mark.parametrize("path", HTML, ids=called)
def test_page_is_whole(path: Path) -> None:
    text = path.read_text("utf-8")
    page = Page(text)
    assert text.startswith("<!doctype html>\n")
    assert page.all("html") == [{"lang": "en"}]
    assert [len(page.all(tag)) for tag in ("title", "main", "h1")] == [1, 1, 1]
    assert page.text["title"] == page.text["h1"] != ""
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    assert len(path.read_bytes()) < 2_000


@pytest.mark.parametrize("path", HTML, ids=called)
def test_page_obeys_a_policy_of_default_src_none(path: Path) -> None:
    page = Page(path.read_text("utf-8"))
    assert not {tag for tag, _ in page.tags} & {"script", "style", "img", "iframe", "form", "base", "object"}
    assert [name for _, attributes in page.tags for name in attributes if re.match("on|style$", name)] == []
    assert {link["rel"]: link["href"] for link in page.all("link")} == {
        "icon": "data:,",
        "stylesheet": "/_gateway/pages.css",
    }
    assert {link["href"] for link in page.all("a")} <= {"/", "/logout"}


@pytest.mark.parametrize("path", HTML, ids=called)
def test_page_names_no_software(path: Path) -> None:
    text = path.read_text("utf-8").lower()
    actual = re.findall(r"nginx|keycloak|oauth|ohif|orthanc|dcm4chee|\d+\.\d+", text)
    assert actual == []


def test_pages_lead_on() -> None:
    leads = {path.name: {link["href"] for link in Page(path.read_text("utf-8")).all("a")} for path in HTML}
    assert leads.pop("403.html") == {"/", "/logout"}
    assert leads.pop("sign-out.html") == {"/", "/logout"}
    assert leads.pop("502.html") == set()
    assert set(map(frozenset, leads.values())) == {frozenset({"/"})}
    waiting = Page((PAGES / "502.html").read_text("utf-8"))
    assert {"http-equiv": "refresh", "content": "5"} in waiting.all("meta")


def test_pages_style_sheet_is_small() -> None:
    assert PAGES_CSS.stat().st_size < 12_000
