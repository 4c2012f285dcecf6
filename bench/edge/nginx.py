"""nginx as the upper line: a redirect in C, and the click in a buffered access log.

It promises less than the edge: a log line can be lost for a second, the click id is random but
unsigned, sub ids go to the landing as they came.
"""

from __future__ import annotations

from pathlib import Path

PROGRAM = "/usr/sbin/nginx"
PACKAGE = "nginx-light"

_CONFIG = """
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log warn;
events {{ worker_connections 8192; }}
http {{
  log_format click '$msec|$request_id|$remote_addr|$request_uri|$cookie_afflux_v|'
    '$http_user_agent|$http_referer|$http_accept_language|$http_sec_fetch_site';
  access_log {home}/clicks.log click buffer=64k flush=1s;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location /c/ {{
      add_header cache-control no-store always;
      return 302 https://shop.example/?cid=$request_id&s=$arg_sub1&src=$arg_source;
    }}
  }}
}}
"""


def command(port: int, home: Path) -> list[str]:
    """Write the configuration; return how to run it."""
    config = home / "nginx.conf"
    config.write_text(_CONFIG.format(home=home, port=port))
    return [PROGRAM, "-p", str(home), "-e", f"{home}/error.log", "-c", str(config)]
