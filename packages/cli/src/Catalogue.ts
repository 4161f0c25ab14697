/**
 * Every command by its name. Only the one that is called is loaded, with what it stands on: help and a host's first answer
 * wait for no other. What it does is said here as well, for the list of them all (a test holds the two together).
 */
import * as BunServices from "@effect/platform-bun/BunServices"
import { Effect, Layer } from "effect"
import { Command } from "effect/unstable/cli"
import manifest from "../package.json" with { type: "json" }

const services = Layer.unwrap(Effect.promise(async () => (await import("./Services.ts")).services))

const entry = <Name extends string, Input, Context, E, R>(
  name: Name,
  does: string,
  load: () => Promise<Command.Command<Name, Input, Context, E, R>>,
) => ({ name, does, load: async () => Command.provide(await load(), services) })

export const catalogue = [
  entry(
    "create",
    "Make a mesh and its owner key, with yourself as its first member",
    async () => (await import("./commands/create.ts")).create,
  ),
  entry(
    "invite",
    "Make a link by which others join a mesh of yours",
    async () => (await import("./commands/invite.ts")).invite,
  ),
  entry("join", "Join a mesh by an invite link", async () => (await import("./commands/join.ts")).join),
  entry(
    "invites",
    "List the invite links of a mesh that you own or are an admin of",
    async () => (await import("./commands/invites.ts")).invites,
  ),
  entry(
    "revoke-invite",
    "End an invite link of a mesh; who has joined by it stays",
    async () => (await import("./commands/revokeInvite.ts")).revokeInvite,
  ),
  entry(
    "revoke",
    "Remove a member from a mesh for good; only its owner and its admins can",
    async () => (await import("./commands/revoke.ts")).revoke,
  ),
  entry(
    "leave",
    "Leave a mesh for good: your key is revoked there, and nobody encrypts to it any more",
    async () => (await import("./commands/leave.ts")).leave,
  ),
  entry(
    "verify",
    "Compare keys with a member by voice, and remember that you did",
    async () => (await import("./commands/verify.ts")).verify,
  ),
  entry("list", "List the meshes you have joined", async () => (await import("./commands/list.ts")).list),
  entry(
    "peers",
    "Show who is in your meshes, and who is connected",
    async () => (await import("./commands/peers.ts")).peers,
  ),
  entry(
    "channels",
    "Show the channels of your meshes, and how many are in them",
    async () => (await import("./commands/channels.ts")).channels,
  ),
  entry("send", "Send a message, end-to-end encrypted", async () => (await import("./commands/send.ts")).send),
  entry(
    "message-status",
    "Show what became of a message you sent",
    async () => (await import("./commands/messageStatus.ts")).messageStatus,
  ),
  entry(
    "inbox",
    "Read the messages that wait for you; each is shown once",
    async () => (await import("./commands/inbox.ts")).inbox,
  ),
  entry(
    "outbox",
    "List the messages of this machine that wait to be sent; cancel one",
    async () => (await import("./commands/outbox.ts")).outbox,
  ),
  entry(
    "status",
    "Show whether your meshes are reached, and what waits for you",
    async () => (await import("./commands/status.ts")).status,
  ),
  entry(
    "export",
    "Write your identity and its keys to a file, encrypted with a passphrase",
    async () => (await import("./commands/exportIdentity.ts")).exportIdentity,
  ),
  entry(
    "import",
    "Take over an identity that was exported on another machine",
    async () => (await import("./commands/importIdentity.ts")).importIdentity,
  ),
  entry(
    "install",
    "Connect Claude Code, or another host of agents, to your meshes",
    async () => (await import("./commands/install.ts")).install,
  ),
  entry(
    "uninstall",
    "Remove what install has put into agents' hosts; your keys and meshes stay",
    async () => (await import("./commands/uninstall.ts")).uninstall,
  ),
  entry(
    "doctor",
    "Check this machine, the brokers and the agents' hosts, and say what to do",
    async () => (await import("./commands/doctor.ts")).doctor,
  ),
  entry("mcp", "Serve MCP on stdio, for an agent's host to start", async () => (await import("./commands/mcp.ts")).mcp),
  entry(
    "broker",
    "Run the broker; its settings are environment variables, see README.md",
    async () => (await import("./commands/broker.ts")).broker,
  ),
  entry(
    "demo",
    "Show two peers exchanging a message through a broker of their own, then what it stored",
    async () => (await import("./commands/demo.ts")).demo,
  ),
  entry(
    "seed-test-mesh",
    "Make a mesh with test members on a broker of this machine; their keys are printed",
    async () => (await import("./commands/seedTestMesh.ts")).seedTestMesh,
  ),
]

/** What asks for every flag of every command. */
const needsAll = (word: string): boolean => word.startsWith("--completions") || word === "--wizard"

/**
 * The program that a line asks for, in which those commands are whole that it may call. A word of a message may be a
 * command's name, too: then one is loaded that is not called.
 */
export const run = async (line: ReadonlyArray<string>) => {
  const all = line.some(needsAll)
  const commands = await Promise.all(
    catalogue.map(async ({ does, load, name }) =>
      all || line.includes(name) ? await load() : Command.make(name).pipe(Command.withDescription(does)),
    ),
  )
  const root = Command.make("claudemesh").pipe(
    Command.withDescription("End-to-end encrypted messages between people's coding agents"),
    Command.withSubcommands(commands),
  )
  return Effect.provide(Command.runWith(root, { version: manifest.version })(line), BunServices.layer)
}
