// Report a sale, signed: node sign.mjs ORDER AMOUNT CURRENCY [CLICK_ID]. Needs EDGE, ADVERTISER, KID, KEY.

import { createHmac, randomBytes } from "node:crypto";

const { EDGE, ADVERTISER, KID, KEY } = process.env;
const [order, amount, currency, clickId] = process.argv.slice(2);
const report = { txn_id: order, goal: "sale", amount, currency };
if (clickId) report.click_id = clickId;

const path = "/v1/conversions";
const body = JSON.stringify(report);
const timestamp = String(Math.floor(Date.now() / 1000));
const nonce = randomBytes(16).toString("hex");
const signed = ["POST", path, "", timestamp, nonce, body].join("\n");
const signature = createHmac("sha256", KEY).update(signed).digest("hex");

const answer = await fetch(EDGE + path, {
  method: "POST",
  body,
  headers: {
    "Content-Type": "application/json",
    "X-Afflux-Advertiser": ADVERTISER,
    "X-Afflux-Key": KID,
    "X-Afflux-Timestamp": timestamp,
    "X-Afflux-Nonce": nonce,
    "X-Afflux-Signature": signature,
  },
});
console.log(await answer.text());
process.exit(answer.ok ? 0 : 1);
