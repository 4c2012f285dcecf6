/* afflux.js: remembers the click that led to this site and reports conversions of it.
   <script async src="https://EDGE/afflux.js" data-param="cid" data-days="30"></script>
   data-param   name of the click id in the landing page's URL (cid)
   data-cookie  name of the first-party cookie (afflux_cid)
   data-days    days the cookie lives (30)
   data-domain  the cookie's domain, to share it among subdomains (this host only)
   data-edge    the edge, where the script is served from another place
   afflux.convert({goal: "sale", txn_id: "A-1", amount: "49.90", currency: "EUR"})
                with advertiser: 7 also of who did not come by a click: by its clicks and views
   Before the script is there: (window.affluxQueue = window.affluxQueue || []).push({goal: ...}) */
(function (w, d) {
  "use strict";
  var script = d.currentScript,
    data = (script && script.dataset) || {},
    edge = (data.edge || (script ? new URL(script.src).origin : "")).replace(/\/$/, ""),
    cookie = data.cookie || "afflux_cid",
    days = +data.days > 0 ? +data.days : 30,
    genuine = /^[\w-]{60,160}$/;

  function clickId() {
    var found = d.cookie.split("; ").filter(function (part) {
      return part.indexOf(cookie + "=") === 0;
    })[0];
    return found ? found.slice(cookie.length + 1) : null;
  }

  function remember(id) {
    d.cookie = cookie + "=" + id + "; path=/; max-age=" + Math.round(days * 86400) +
      "; samesite=lax" + (data.domain ? "; domain=" + data.domain : "") +
      (w.location.protocol === "https:" ? "; secure" : "");
  }

  function image(url) {
    new Image().src = url;
    return true;
  }

  function send(url) {
    var n = w.navigator;
    if (n.sendBeacon && n.sendBeacon(url)) return true;
    if (!w.fetch) return image(url);
    w.fetch(url, { method: "POST", mode: "no-cors", credentials: "include", keepalive: true }).catch(function () {
      image(url);
    });
    return true;
  }

  /* Reports a conversion. Returns whether it was handed to the browser: false without a
     click, unless the advertiser is named. */
  function convert(order) {
    var query = new URLSearchParams(), id = order.click_id || clickId();
    if (!id && !order.advertiser) return false;
    Object.keys(order).forEach(function (name) {
      var value = order[name];
      if (value === undefined || value === null) return;
      query.set(name, typeof value === "object" ? JSON.stringify(value) : value);
    });
    if (id) query.set("click_id", id);
    return send(edge + "/pixel?" + query);
  }

  var landed = new URLSearchParams(w.location.search).get(data.param || "cid");
  if (landed && genuine.test(landed)) remember(landed);

  var waiting = w.affluxQueue || [];
  w.afflux = { convert: convert, clickId: clickId };
  w.affluxQueue = { push: convert };
  if (waiting.forEach) waiting.forEach(convert);
})(window, document);
