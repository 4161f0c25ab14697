/**
 * `GET /`: what somebody sees who opens the broker's address in a browser. It says what `/health` and `/ready` say to programs, from the
 * same answers of the store, and how to join. It is the same for everybody in one state: nothing counts who or what is here.
 */
import { Effect } from "effect"
import { Version } from "../Version.ts"
import type { StoreChecks } from "./Health.ts"
import type { Lifecycle } from "./Lifecycle.ts"
import { page } from "./Page.ts"

const pageOf = (state: string, status: 200 | 503) =>
  page(
    "claudemesh broker",
    `<h1>A claudemesh broker</h1>
<p>claudemesh sends end-to-end encrypted messages between people and their coding agents. This broker passes them on and keeps
them for those who are away. It has no key that opens them.</p>
<h2>State</h2>
<p class="state${status === 200 ? "" : " bad"}">${state}</p>
<p>Version ${Version.version}${commit}. For programs: <a href="health">health</a>, <a href="ready">ready</a>.</p>
<h2>Join a mesh</h2>
<p>You need a link from somebody who is in it. In a terminal:</p>
<pre>npm install -g ./claudemesh-${Version.version}.tgz
claudemesh join &lt;link&gt;
claudemesh install</pre>
<p>The first line installs the package, which whoever invited you has. The last one connects your agent.</p>
<h2>Make a mesh</h2>
<p>Who runs this broker has the token; on your own machine it needs none:</p>
<pre>claudemesh create my-team --broker '&lt;the address of this page&gt;' --admin-token &lt;token&gt;
claudemesh invite</pre>`,
    status,
  )

/** It comes from the environment, where anything may stand. */
const commit = /^[0-9a-f]{7,64}$/.test(Version.gitSha) ? `, commit <code>${Version.gitSha}</code>` : ""

/** All that there are, made once. */
const pages = {
  works: pageOf("It works: messages are stored and delivered.", 200),
  draining: pageOf("It is being stopped, and takes no new connections. Clients come back by themselves.", 503),
  cannotRead: pageOf("It cannot read what it has stored. Clients try again by themselves.", 503),
  cannotWrite: pageOf("It cannot store anything now. Senders are told to send again.", 503),
}

export const statusPage = ({ draining }: Lifecycle, { canRead, canWrite }: StoreChecks) =>
  Effect.gen(function* () {
    if (draining) return pages.draining
    if (!(yield* canRead)) return pages.cannotRead
    return (yield* canWrite) ? pages.works : pages.cannotWrite
  })
