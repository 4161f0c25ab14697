/**
 * `GET /join`: what somebody sees who opens an invite link in a browser. What follows the `#` of the link is its secret, and
 * no browser sends that; this page has no script that could read it, loads nothing, and is the same for everybody.
 */
import { Version } from "../Version.ts"
import { page } from "./Page.ts"

export const joinPage = page(
  "Join a mesh",
  `<h1>You are invited to a mesh</h1>
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
and was not sent to this server.</p>`,
)
