#!/bin/sh
# Report a sale, signed: sh sign.sh ORDER AMOUNT CURRENCY [CLICK_ID]. Needs EDGE, ADVERTISER, KID, KEY,
# curl and openssl.
set -eu

CLICK=${4:+", \"click_id\": \"$4\""}
BODY="{\"txn_id\": \"$1\", \"goal\": \"sale\", \"amount\": \"$2\", \"currency\": \"$3\"$CLICK}"
TS=$(date +%s)
NONCE=$(openssl rand -hex 16)
SIG=$(printf 'POST\n/v1/conversions\n\n%s\n%s\n%s' "$TS" "$NONCE" "$BODY" |
  openssl dgst -sha256 -hmac "$KEY" -r | cut -d' ' -f1)

ANSWER=$(curl -s --max-time 20 "$EDGE/v1/conversions" -d "$BODY" -w '\n%{http_code}' \
  -H "Content-Type: application/json" \
  -H "X-Afflux-Advertiser: $ADVERTISER" -H "X-Afflux-Key: $KID" \
  -H "X-Afflux-Timestamp: $TS" -H "X-Afflux-Nonce: $NONCE" -H "X-Afflux-Signature: $SIG")
printf '%s\n' "$ANSWER" | sed '$d'
[ "$(printf '%s\n' "$ANSWER" | tail -n 1)" = 200 ]
