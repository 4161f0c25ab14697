/**
 * A page for a person who opens an address of the broker in a browser: its look and its headers, the same for every page. Nothing
 * of a request, a mesh or a member is ever in one, and none has a script, a picture or anything else that would be loaded.
 */
import { createHash } from "node:crypto"
import * as HttpServerResponse from "effect/unstable/http/HttpServerResponse"

/** Long lines are broken, so that nothing has to be scrolled sideways on a phone. */
const style =
  ":root{color-scheme:light dark}*{box-sizing:border-box}" +
  "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}" +
  "h1{line-height:1.2}code,pre{font:14px/1.5 ui-monospace,monospace;background:#f2f2f2;border-radius:4px;overflow-wrap:anywhere}" +
  "code{padding:.1em .3em}pre{padding:.7em;white-space:pre-wrap}a{color:#0645ad}" +
  ":focus-visible{outline:3px solid;outline-offset:3px}" +
  ".state{padding:.7em 1em;border-left:6px solid #1a7f37;background:#f2f2f2}.state.bad{border-color:#c62828}" +
  "@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}code,pre,.state{background:#222}a{color:#9ecbff}" +
  ".state{border-color:#3fb950}.state.bad{border-color:#ff7b72}}"

const headers = {
  "content-security-policy": `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
}

/** `body` is HTML as it stands: it is written by us, and has nothing of anybody else in it. */
export const page = (title: string, body: string, status = 200) =>
  HttpServerResponse.text(
    `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`,
    { status, contentType: "text/html; charset=utf-8", headers },
  )
