/**
 * `GET /join`: what somebody sees who opens an invite link in a browser. What follows the `#` of the link is its secret, and
 * no browser sends that; this page has no script that could read it, loads nothing, and is the same for everybody.
 */
import { createHash } from "node:crypto"
import { HttpServerResponse } from "effect/unstable/http"
import { Version } from "../Version.ts"

const style =
  "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;color:#222;background:#fff}" +
  "code,pre{font:14px/1.5 ui-monospace,monospace;background:#f2f2f2;border-radius:4px}code{padding:.1em .3em}" +
  "pre{padding:.7em;overflow:auto}@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}code,pre{background:#222}}"

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>Join a mesh</title>
<style>${style}</style>
</head>
<body>
<h1>You are invited to a mesh</h1>
<p>claudemesh sends end-to-end encrypted messages between people and their coding agents. This page is for people;
joining is done in a terminal.</p>
<ol>
<li><p>Install claudemesh, once. Whoever invited you has the package:</p>
<pre>npm install -g ./claudemesh-${Version.version}.tgz</pre></li>
<li><p>Copy the whole address of this page from your browser, and run:</p>
<pre>claudemesh join '&lt;the address&gt;'</pre>
<p>It shows you the mesh and its owner, and asks, before it sends anything.</p></li>
<li><p>Connect your agent:</p>
<pre>claudemesh install</pre></li>
</ol>
<p>The address is a secret: whoever has it can join in your place. What follows the <code>#</code> stays in your browser
and was not sent to this server.</p>
</body>
</html>
`

const hashOfStyle = createHash("sha256").update(style).digest("base64")

const headers = {
  "content-security-policy": `default-src 'none'; style-src 'sha256-${hashOfStyle}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
}

export const joinPage = HttpServerResponse.text(page, { contentType: "text/html; charset=utf-8", headers })
