"""Report a sale, signed: python3 sign.py ORDER AMOUNT CURRENCY [CLICK_ID].

Needs EDGE, ADVERTISER, KID, KEY.
"""

import hashlib
import hmac
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request

order, amount, currency, *click_id = sys.argv[1:]
report = {"txn_id": order, "goal": "sale", "amount": amount, "currency": currency}
if click_id:
    report["click_id"] = click_id[0]

path = "/v1/conversions"
body = json.dumps(report).encode()
timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
signed = "\n".join(["POST", path, "", timestamp, nonce, ""]).encode() + body
signature = hmac.new(os.environ["KEY"].encode(), signed, hashlib.sha256).hexdigest()

request = urllib.request.Request(
    os.environ["EDGE"] + path,
    body,
    {
        "Content-Type": "application/json",
        "X-Afflux-Advertiser": os.environ["ADVERTISER"],
        "X-Afflux-Key": os.environ["KID"],
        "X-Afflux-Timestamp": timestamp,
        "X-Afflux-Nonce": nonce,
        "X-Afflux-Signature": signature,
    },
)
try:
    print(urllib.request.urlopen(request, timeout=20).read().decode())
except urllib.error.HTTPError as refused:
    print(refused.read().decode())
    sys.exit(1)
