"""afflux.js in a real Chromium, on a page served on loopback, against a real edge."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from afflux.kernel.events import Authentication, Channel, Conversion, Rejection
from afflux.runtime.supervise.stack import Stack
from tests.support.engines import temporary_home
from tests.tracking_stack import ENV, publish_catalog, shipped, until, wait_drained

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home:
        made = Stack(home, ["shipper", "edge"], free_ports=True, env=ENV)
        with made:
            publish_catalog(made)
            yield made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.fail(
            "this test needs Chromium and its driver: install the packages chromium and "
            "chromium-driver"
        )
    options = Options()
    options.binary_location = chromium
    options.accept_insecure_certs = True  # of the shop on https
    profile = tmp_path_factory.mktemp("chromium")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    chrome.set_page_load_timeout(30)
    yield chrome
    chrome.quit()


class Shop:
    """A shop whose pages are what a test puts there."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.pages: dict[str, str] = {}
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path.partition("?")[0])
                body = (page or "").encode()
                self.send_response(200 if page else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self.url = self.url.replace("http:", "https:")
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.close()


@pytest.fixture
def safe_shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop on https, with a certificate of its own."""
    file = tmp_path / "shop.pem"
    request = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1".split()
    subprocess.run(
        ["openssl", *request, "-keyout", file, "-out", file.with_suffix(".crt")],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + file.with_suffix(".crt").read_text())
    made = Shop(file)
    yield made
    made.close()


def script(stack: Stack, attributes: str = "") -> str:
    return f'<script src="{stack.settings.edge_url}/afflux.js" {attributes}></script>'


def click(stack: Stack) -> str:
    answer = httpx.get(f"{stack.settings.edge_url}/c/shoes")
    return httpx.URL(answer.headers["location"]).params["cid"]


def kept(stack: Stack, txn: str) -> Conversion:
    found: list[Conversion] = []

    def arrived() -> bool:
        wait_drained(stack)
        events = shipped(stack.settings)
        found.extend(e for e in events if isinstance(e, Conversion) and e.transaction_id == txn)
        return bool(found)

    until(arrived, f"{txn} arrives")
    return found[0]


def test_a_click_is_remembered_and_its_sale_reported(
    stack: Stack, browser: webdriver.Chrome, shop: Shop
) -> None:
    shop.pages["/landing"] = script(stack)
    shop.pages["/thanks"] = script(stack) + (
        '<script>sent = afflux.convert({goal: "sale", txn_id: "js-1", amount: "49.90", '
        'currency: "EUR", coupon: null, new_customer: true, '
        'items: [{sku: "a&b", quantity: 2, price: "24.95"}]})</script>'
    )
    click_id = click(stack)
    browser.get(f"{shop.url}/landing?utm=1&cid={click_id}")
    cookie = browser.get_cookie("afflux_cid")
    assert cookie is not None and cookie["value"] == click_id
    assert (cookie["sameSite"], cookie["secure"], cookie["path"]) == ("Lax", False, "/")
    days = (cookie["expiry"] - browser.execute_script("return Date.now() / 1000")) / 86_400
    assert 29.9 < days < 30.1
    browser.get(f"{shop.url}/thanks")
    assert browser.execute_script("return sent") is True
    sale = kept(stack, "js-1")
    assert (sale.value_minor, sale.currency, sale.new_customer) == (4990, "EUR", True)
    assert [(i.sku, i.quantity, i.value_minor) for i in sale.items] == [("a&b", 2, 4990)]
    assert sale.channel is Channel.PIXEL and sale.authentication is Authentication.NONE
    assert sale.click_partner_id == 1


def test_on_https_the_cookie_is_secure(
    stack: Stack, browser: webdriver.Chrome, safe_shop: Shop
) -> None:
    safe_shop.pages["/page"] = script(stack, 'data-cookie="safe"')
    click_id = click(stack)
    browser.get(f"{safe_shop.url}/page?cid={click_id}")
    cookie = browser.get_cookie("safe")
    assert cookie is not None and (cookie["value"], cookie["secure"]) == (click_id, True)
    assert browser.execute_script('return afflux.convert({goal: "sale", txn_id: "js-tls"})')
    assert kept(stack, "js-tls").channel is Channel.PIXEL


@pytest.mark.parametrize(
    ("txn", "without"),
    [
        ("js-fetch", "navigator.sendBeacon = undefined"),
        ("js-busy", "navigator.sendBeacon = () => false"),
        ("js-image", "navigator.sendBeacon = undefined; window.fetch = undefined"),
        (
            "js-blocked",
            "navigator.sendBeacon = undefined; "
            "window.fetch = () => Promise.reject(new TypeError('blocked'))",
        ),
    ],
)
def test_where_a_browser_lacks_one_way_the_next_is_used(
    stack: Stack, browser: webdriver.Chrome, shop: Shop, txn: str, without: str
) -> None:
    shop.pages["/thanks"] = (
        f"<script>{without}</script>"
        + script(stack)
        + f'<script>afflux.convert({{goal: "sale", txn_id: "{txn}"}})</script>'
    )
    browser.get(f"{shop.url}/thanks?cid={click(stack)}")
    assert kept(stack, txn).channel is Channel.PIXEL


def test_names_and_window_can_be_set_and_calls_may_come_before_the_script(
    stack: Stack, browser: webdriver.Chrome, shop: Shop
) -> None:
    shop.pages["/page"] = (
        "<script>(window.affluxQueue = window.affluxQueue || [])"
        '.push({goal: "sale", txn_id: "js-queue"})</script>'
        + script(stack, 'async data-param="ref" data-cookie="from" data-days="7"')
    )
    click_id = click(stack)
    browser.get(f"{shop.url}/page?ref={click_id}")
    assert kept(stack, "js-queue").channel is Channel.PIXEL
    cookie = browser.get_cookie("from")
    assert cookie is not None and cookie["value"] == click_id
    days = (cookie["expiry"] - browser.execute_script("return Date.now() / 1000")) / 86_400
    assert 6.9 < days < 7.1


def test_without_a_click_nothing_is_stored_or_sent(
    stack: Stack, browser: webdriver.Chrome, shop: Shop
) -> None:
    shop.pages["/page"] = script(stack)
    browser.get(f"{shop.url}/page")
    browser.delete_all_cookies()
    for landed in ("", "?cid=", "?cid=short", "?cid=a;b%20" + "c" * 80):
        browser.get(f"{shop.url}/page{landed}")
        assert browser.get_cookies() == []
    sent = browser.execute_script('return afflux.convert({goal: "sale", txn_id: "js-none"})')
    assert sent is False
    wait_drained(stack)
    events = shipped(stack.settings)
    assert not any("js-none" in e.query for e in events if isinstance(e, Rejection))


def test_the_snippets_source_names_no_other_host(stack: Stack) -> None:
    source = Path("services/tracking/afflux.js").read_text(encoding="utf-8")
    assert httpx.get(f"{stack.settings.edge_url}/afflux.js").text == source
    assert "http" not in source.replace("https://EDGE", "").replace('"https:"', "")
