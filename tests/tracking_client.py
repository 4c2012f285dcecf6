"""An external client of an edge: the oracle of law T1. Standard library only, a process of its own.

    python tests/tracking_client.py URL TOKEN HISTORY SEED STOPFILE

Sends clicks and postbacks over several connections until STOPFILE exists. What was answered
302 or 200 is appended to HISTORY and fsynced before the next request; what is asked for is written
to HISTORY.asked before it is sent. A postback that failed is sent again until it is answered, as
advertisers do.
"""

from __future__ import annotations

import http.client
import os
import random
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

CONNECTIONS = 6


class Client:
    def __init__(self, url: str, token: str, history: Path, stop: Path) -> None:
        self.netloc = urlsplit(url).netloc
        self.token = token
        self.stop = stop
        self.lock = threading.Lock()
        self.fd = os.open(history, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        asked = history.with_suffix(".asked")
        self.asked = os.open(asked, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def remember(self, line: str) -> None:
        with self.lock:
            os.write(self.fd, line.encode() + b"\n")
            os.fsync(self.fd)

    def run(self, seed: int) -> None:
        rng = random.Random(seed)
        connection = http.client.HTTPConnection(self.netloc, timeout=5)
        number, waiting = 0, ""
        while waiting or not self.stop.exists():
            number += 1
            if not waiting and rng.random() < 0.3:
                waiting = f"{seed}-{number}"
            os.write(self.asked, f"{waiting or f'{seed}-{number}'}\n".encode())
            try:
                if waiting:
                    self.postback(connection, waiting)
                    waiting = ""
                else:
                    self.click(connection, f"{seed}-{number}")
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.02)

    def click(self, connection: http.client.HTTPConnection, sub: str) -> None:
        connection.request("GET", f"/c/shoes?sub1={sub}", headers={"user-agent": "Mozilla/5.0"})
        answer = connection.getresponse()
        answer.read()
        if answer.status == 302:
            query = urlsplit(answer.headers["location"]).query
            self.remember(f"click {parse_qs(query)['cid'][0]} {sub}")

    def postback(self, connection: http.client.HTTPConnection, txn: str) -> None:
        query = f"advertiser=7&txn_id={txn}&goal=sale&amount=10.00&token={self.token}"
        connection.request("GET", f"/postback?{query}")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(f"status {answer.status}")
        self.remember(f"conversion {txn}")


def main() -> None:
    url, token, history, seed, stop = sys.argv[1:]
    client = Client(url, token, Path(history), Path(stop))
    threads = [
        threading.Thread(target=client.run, args=(int(seed) * 100 + number,))
        for number in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
