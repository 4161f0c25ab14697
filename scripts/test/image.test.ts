/**
 * The image of `Dockerfile`, as near as it can be had without Docker: what `.dockerignore` lets through is built, and started by the words of
 * the Dockerfile in a root of its own that is read-only and has glibc and nothing else, as nobody. As root on Linux, where that can be made.
 */
import { spawnSync } from "node:child_process"
import {
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "../..")
const dockerfile = readFileSync(join(root, "Dockerfile"), "utf8").replaceAll("\\\n", "")
const line = (word: string): string =>
  new RegExp(`^${word} (.*)$`, "m").exec(dockerfile)?.[1] ?? assert.fail(`no ${word}`)
const words = (text: string): ReadonlyArray<string> => JSON.parse(text.slice(text.indexOf("[")))
const environment = Object.fromEntries(
  line("ENV")
    .split(" ")
    .map((set) => set.split("=")),
)

const entrypoint = words(line("ENTRYPOINT"))
const healthcheck = words(/CMD (\[.*)/.exec(line("HEALTHCHECK"))?.[1] ?? "")

const folder = mkdtempSync(join(tmpdir(), "claudemesh-test-"))
const [context, image, data] = ["context", "image", "data"].map((name) => join(folder, name)) as [
  string,
  string,
  string,
]
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** `nonroot` of the image. */
const nobody = 65_532

/** Everything is left out, but for what is named, without some names anywhere in it. */
const copyContext = (): void => {
  const lines = readFileSync(join(root, ".dockerignore"), "utf8").trim().split("\n")
  assert.strictEqual(lines[0], "*")
  const named = lines.filter((one) => one.startsWith("!")).map((one) => one.slice(1))
  const nowhere = new Set(lines.filter((one) => one.startsWith("**/")).map((one) => one.slice(3)))
  assert.lengthOf(lines, 1 + named.length + nowhere.size)
  for (const name of named) {
    const filter = (path: string) =>
      !relative(root, path)
        .split("/")
        .some((part) => nowhere.has(part))
    cpSync(join(root, name), join(context, name), { recursive: true, filter })
  }
}

/** As `npm ci` lays them, with the workspaces of the context. */
const linkModules = (): void => {
  const modules = join(root, "node_modules")
  const workspaces: ReadonlyArray<string> = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).workspaces
  mkdirSync(join(context, "node_modules/@claudemesh"), { recursive: true })
  for (const name of readdirSync(modules).filter((one) => one !== "@claudemesh")) {
    symlinkSync(join(modules, name), join(context, "node_modules", name))
  }
  for (const path of workspaces) {
    symlinkSync(join(context, path), join(context, "node_modules/@claudemesh", path.replace("packages/", "")))
  }
}

/** The libraries that Bun is linked with, where it looks for them. */
const copyLibraries = (bun: string): void => {
  const linked = spawnSync("ldd", [bun], { encoding: "utf8" }).stdout
  for (const [path] of linked.matchAll(/\/\S+\.so\S*/g)) cpSync(path, join(image, path), { dereference: true })
}

const makeImage = (): void => {
  copyContext()
  linkModules()
  const built = spawnSync(process.execPath, ["--no-env-file", "--no-install", "scripts/build.ts"], { cwd: context })
  assert.strictEqual(built.status, 0, built.stderr.toString())
  cpSync(join(context, "dist"), join(image, "claudemesh"), { recursive: true })
  cpSync(join(root, "node_modules/bun/bin/bun.exe"), join(image, "claudemesh/bun"))
  copyLibraries(join(image, "claudemesh/bun"))
  for (const path of ["data", "dev", "proc", "tmp"]) mkdirSync(join(image, path), { recursive: true })
  mkdirSync(data)
  chownSync(data, nobody, nobody)
}

const canMakeRoots =
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  spawnSync("unshare", ["--mount", "sh", "-c", "mount -t tmpfs none /tmp && setpriv --no-new-privs true"]).status === 0

/** Mounts that end with the process, and then what is started, which is this process. Of `/proc` it sees itself, as the unit for systemd has it. */
const enter = `
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount --bind "$2" "$1/data"
mount -t proc -o subset=pid proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1; user=$3; shift 3
exec setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid chroot --userspec="$user:$user" "$root" "$@"
`
const inside = (command: ReadonlyArray<string>): ReadonlyArray<string> => {
  return ["unshare", "--mount", "sh", "-c", enter, "enter", image, data, String(nobody), ...command]
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const sizeOf = (path: string): number =>
  readdirSync(path, { recursive: true, encoding: "utf8" }).reduce((sum, name) => {
    const found = statSync(join(path, name))
    return found.isFile() ? sum + found.size : sum
  }, 0)

describe("the image", () => {
  it("declares no volume, which Railway refuses to build", () => assert.notMatch(dockerfile, /^VOLUME/m))

  it("has the Bun that is tested", () => {
    const { version } = JSON.parse(readFileSync(join(root, "node_modules/bun/package.json"), "utf8"))
    assert.strictEqual(version, JSON.parse(readFileSync(join(root, "package.json"), "utf8")).dependencies.bun)
    assert.include(dockerfile, `require.resolve("bun/package.json").replace("package.json", "bin/bun.exe")`)
  })
})

describe.skipIf(!canMakeRoots)("the image, started read-only as nobody", () => {
  beforeAll(makeImage)

  const running = new Set<{ readonly kill: (signal: "SIGKILL") => void }>()
  afterEach(() => {
    for (const process of running) process.kill("SIGKILL")
    running.clear()
  })

  const run = (command: ReadonlyArray<string>, more: Readonly<Record<string, string>>) => {
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...environment, BROKER_HOST: "127.0.0.1", ...more }
    const started = Bun.spawn([...inside(command)], { env, stdout: "ignore", stderr: "pipe" })
    running.add(started)
    return started
  }

  /** By a platform's word: `PORT`. */
  const start = async (more: Readonly<Record<string, string>> = {}) => {
    const port = String(await freePort())
    const at = { PORT: port, ...more }
    const broker = run(entrypoint, at)
    const isHealthy = async () => (await run(healthcheck, at).exited) === 0
    const deadline = performance.now() + 10_000
    while (!(await isHealthy())) {
      if (broker.exitCode !== null || performance.now() > deadline) {
        broker.kill("SIGKILL")
        assert.fail(await new Response(broker.stderr).text())
      }
    }
    return { broker, isHealthy, port }
  }

  it("is well, keeps its data in the one place that can be written, is copied from there, and ends in time", async () => {
    const { broker, isHealthy, port } = await start()
    assert.strictEqual((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
    const written = run(["/claudemesh/bun", "-e", `require("fs").writeFileSync("/claudemesh/x", "")`], {})
    assert.notStrictEqual(await written.exited, 0)
    assert.match(await new Response(written.stderr).text(), /EROFS/)

    const backup = run([...entrypoint, "backup", "/data/copy.sqlite"], {})
    assert.strictEqual(await backup.exited, 0, await new Response(backup.stderr).text())
    for (const name of ["broker.sqlite", "copy.sqlite"]) {
      assert.strictEqual(statSync(join(data, name)).uid, nobody, name)
    }

    const begun = performance.now()
    broker.kill("SIGTERM")
    assert.strictEqual(await broker.exited, 0)
    assert.isBelow(performance.now() - begun, 10_000)
    assert.isFalse(await isHealthy())
    for (const name of ["broker.sqlite", "broker.sqlite-wal"]) rmSync(join(data, name), { force: true })
    renameSync(join(data, "copy.sqlite"), join(data, "broker.sqlite"))
  })

  it.skipIf(Bun.which("openssl") === null)("is well on that copy, with a certificate of its own", async () => {
    const files = ["-keyout", join(data, "key.pem"), "-out", join(data, "cert.pem")]
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    spawnSync("openssl", ["req", "-x509", "-subj", "/CN=localhost", "-days", "2", ...key, ...files])
    for (const name of ["key.pem", "cert.pem"]) chownSync(join(data, name), nobody, nobody)
    const { broker } = await start({ BROKER_TLS_CERT: "/data/cert.pem", BROKER_TLS_KEY: "/data/key.pem" })
    broker.kill("SIGTERM")
    assert.strictEqual(await broker.exited, 0)
  })

  it("says which place it has to write to, when it may not", async () => {
    chownSync(data, 0, 0)
    const refused = run(entrypoint, { PORT: "0" })
    assert.strictEqual(await refused.exited, 1)
    assert.match(await new Response(refused.stderr).text(), /^claudemesh: BROKER_DATA_DIR \/data: /)
    chownSync(data, nobody, nobody)
  })

  // What the base has beside it, glibc and certificates of authorities, is 20 MB.
  it("is under 200 MB", () => assert.isBelow(sizeOf(image), 180_000_000))
})
