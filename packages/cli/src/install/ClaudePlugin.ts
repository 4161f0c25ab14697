/** The plugin in Claude Code: put in and taken out by the host's own command, so that it is where that host looks for it. */
import { existsSync } from "node:fs"
import { Effect, Option, Result, Schema } from "effect"
import { Failed } from "../Failed.ts"
import { command, quoted } from "../Launch.ts"
import { claudePlaces, foldersWithServer, olderServer, pluginId, pluginName, pluginTarget } from "./ClaudeCode.ts"
import { settingsTargetsOf } from "./ClaudeSettings.ts"
import { hostCommand, type HostAnswer, lastWords, runHost } from "./HostCommand.ts"
import { digestOf, readRecord, writeRecord } from "./InstallRecord.ts"
import { JsonText, lineOfComment } from "./JsonEdit.ts"
import { type Machine, placeProgram } from "./Machine.ts"
import { refuseOtherHome, replacedWords } from "./OlderEntry.ts"
import { installedEntries } from "./OurEntries.ts"
import { pluginIn, runIn } from "./Places.ts"
import { placePlugin, removePlugin } from "./PluginFolder.ts"
import { carryOut, meansTheSame, preview, registering, unregistering } from "./Registering.ts"
import { changeSettings, readSettings } from "./SettingsFile.ts"
import { differencesOf, pathsWritten } from "./Shown.ts"
import * as installWords from "../words/install.ts"

const commands = (home: string): ReadonlyArray<ReadonlyArray<string>> => [
  ["plugin", "marketplace", "add", pluginIn(home)],
  ["plugin", "install", pluginId],
]

export const installPlugin = Effect.fnUntraced(function* (machine: Machine, dryRun: boolean) {
  const { home, unusualHome } = machine
  const places = yield* claudePlaces
  const claude = yield* theClaude
  const older = olderServer(places)
  yield* refuseOtherHome(machine, places.userServers)
  yield* refuseComments(places.userSettings)
  if (dryRun) return yield* whatWouldBe(machine, claude)
  // What cannot be changed is said before anything is.
  for (const target of [pluginTarget(places, pluginIn(home)), older]) {
    yield* preview(home, target.path, registering(target))
  }
  const isFirst = !existsSync(pluginIn(home)) && !existsSync(runIn(home))
  yield* placeProgram(machine)
  yield* placePlugin(home, unusualHome === undefined ? {} : { CLAUDEMESH_HOME: unusualHome })
  const registeredBefore = yield* removeSettingsForm(machine)
  // As it is without us, which is what an uninstall gives back.
  const before = yield* readSettings(places.userSettings)
  const registered = Effect.forEach(commands(home), (args) => must(claude, args, home), { discard: true })
  yield* Effect.tapError(registered, () =>
    Effect.andThen(
      isFirst ? withdraw(claude, home) : Effect.void,
      Effect.ignore(giveBack(places.userSettings, before)),
    ),
  )
  yield* keepFormatting(machine, before)
  const { replaced } = yield* carryOut(home, older.path, registering(older))
  yield* checkInstalled(claude, home)
  return [
    installWords.thePluginIsInAndClaudeCode(pluginIn(home)),
    ...(registeredBefore ? [installWords.serverAndHooksInTheSettingsWhich] : []),
    ...replaced.flatMap(replacedWords(older.path)),
    ...(yield* otherEntries(older.path)),
    installWords.claudeCodeAsksBeforeItUsesA(places.userSettings),
    installWords.checkItWithDoctorUndoItWith(command, command),
  ]
})

export const uninstallPlugin = Effect.fnUntraced(function* (machine: Machine, dryRun: boolean) {
  const { home } = machine
  const places = yield* claudePlaces
  const claude = yield* hostCommand("claude")
  // Also what is there without a plugin: one of the two ways was taken, and the record of a file is used up here.
  const rest = installedEntries(runIn(home))
  const targets = [pluginTarget(places, pluginIn(home)), olderServer(places)].map(({ entries, path }) => ({
    path,
    entries: [...entries, ...rest],
  }))
  const changes = yield* Effect.forEach(targets, (target) =>
    (dryRun ? preview : carryOut)(home, target.path, unregistering(target)),
  )
  if (dryRun) return differencesOf(changes)
  const said = [...pathsWritten("Removed from", changes)]
  const isThere = existsSync(pluginIn(home)) || (changes[0]?.before ?? "").includes(pluginId)
  if (claude !== undefined && isThere && existsSync(home)) {
    const answers = [
      yield* runHost(claude, ["plugin", "uninstall", pluginId], home),
      yield* runHost(claude, ["plugin", "marketplace", "remove", pluginName], home),
    ]
    if (answers.every(({ code }) => code === 0)) said.push(installWords.thePluginIsRemovedFromClaudeCode)
  }
  return said
})

export const theClaude = Effect.gen(function* () {
  const claude = yield* hostCommand("claude")
  if (claude !== undefined) return claude
  return yield* new Failed({
    reason: installWords.thereIsNoCommandClaudeOnThe(command),
  })
})

const must = Effect.fnUntraced(function* (claude: string, args: ReadonlyArray<string>, folder: string) {
  const answer: HostAnswer = yield* runHost(claude, args, folder)
  if (answer.code === 0) return answer
  return yield* new Failed({
    reason: installWords.claudeFailedUpdateClaudeCodeIfIt(args.join(" "), lastWords(answer), command),
  })
})

/** Its own message is of a parser, and comes after it has done a part. */
const refuseComments = Effect.fnUntraced(function* (path: string) {
  const line = lineOfComment(((yield* readSettings(path)) ?? "").replace(/^\uFEFF/, ""))
  if (line === undefined) return
  return yield* new Failed({
    reason: installWords.claudeCodeDoesNotTakeCommentsIn(path, line),
  })
})

/** What a first installation has placed, and what the host may have noted of it: that one is gone now, or never was. */
const withdraw = Effect.fnUntraced(function* (claude: string, home: string) {
  yield* Effect.ignore(runHost(claude, ["plugin", "marketplace", "remove", pluginName], home))
  removePlugin(home)
})

/** Where the host's command has failed, and has written nothing but its own formatting, and lists of ours that are empty. */
const giveBack = (path: string, before: string | undefined) =>
  changeSettings(path, (text) => {
    if (text === undefined || text === before) return Result.succeed(text)
    const lists = ["extraKnownMarketplaces", "enabledPlugins"].map((name) => [name])
    const left = Result.flatMap(JsonText.parse(text), (json) => {
      for (const list of lists) if (isEmptyObject(json.valueAt(list))) json.remove(list)
      return json.changed
    })
    const isAsBefore = Result.isSuccess(left) && meansTheSame(left.success.text, before ?? "{}")
    return Result.succeed(isAsBefore ? before : text)
  })

const isEmptyObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.keys(value).length === 0

const whatWouldBe = Effect.fnUntraced(function* (machine: Machine, claude: string) {
  const places = yield* claudePlaces
  const targets = [pluginTarget(places, pluginIn(machine.home)), olderServer(places)]
  const changes = yield* Effect.forEach(targets, (target) => preview(machine.home, target.path, registering(target)))
  return [
    installWords.wouldPutThePluginIntoAndRun(pluginIn(machine.home)),
    ...commands(machine.home).map((args) => `  ${[claude, ...args].map(quoted).join(" ")}`),
    ...differencesOf(changes),
  ]
})

/** Claude Code writes its settings in a formatting of its own. Where it says what ours would, it is written as it was found. */
const keepFormatting = Effect.fnUntraced(function* (machine: Machine, before: string | undefined) {
  const target = pluginTarget(yield* claudePlaces, pluginIn(machine.home))
  const record = (yield* readRecord(machine.home))[target.path]
  const step = Result.getOrUndefined(registering(target)(before, record))
  const wanted = step?.after
  if (step === undefined || wanted === undefined) return
  const { after } = yield* changeSettings(target.path, (text) =>
    Result.succeed(text !== undefined && meansTheSame(text, wanted) ? wanted : text),
  )
  const isOurs = after !== undefined && digestOf(after) === step.record?.digest
  if (isOurs && step.record !== record) {
    yield* Effect.mapError(
      writeRecord(machine.home, target.path, step.record),
      ({ message }) => new Failed({ reason: message }),
    )
  }
})

/** Whether there was one. */
const removeSettingsForm = Effect.fnUntraced(function* (machine: Machine) {
  const record = yield* readRecord(machine.home)
  const targets = (yield* settingsTargetsOf(machine, "user")).filter(({ path }) => record[path] !== undefined)
  const places = yield* claudePlaces
  const hadServer = targets.some(({ path, entries }) => path === places.userServers && entries[0]?.kind === "property")
  if (!hadServer || !(yield* isSettingsForm(machine))) return false
  for (const target of targets) yield* carryOut(machine.home, target.path, unregistering(target))
  return true
})

/** The hooks are in the settings only without a plugin. */
const isSettingsForm = Effect.fnUntraced(function* (machine: Machine) {
  const [, settings] = yield* settingsTargetsOf(machine, "user")
  if (settings === undefined) return false
  const text = yield* readSettings(settings.path)
  return text !== undefined && text.includes('"mcp_tool"') && /"server":\s*"claudemesh"/.test(text)
})

const PluginList = Schema.Array(Schema.Struct({ id: Schema.String, enabled: Schema.optional(Schema.Boolean) }))
const decodeList = Schema.decodeUnknownOption(Schema.fromJsonString(PluginList))

/** As the host sees it: a policy of an organisation may have the last word. Undefined where it does not say. */
export const pluginState = Effect.fnUntraced(function* (claude: string, folder: string) {
  const { stdout } = yield* runHost(claude, ["plugin", "list", "--json"], folder)
  const list = Option.getOrUndefined(decodeList(stdout))
  if (list === undefined) return undefined
  const ours = list.find(({ id }) => id === pluginId)
  if (ours === undefined) return "absent"
  return ours.enabled === false ? "disabled" : "enabled"
})

const checkInstalled = Effect.fnUntraced(function* (claude: string, folder: string) {
  const state = yield* pluginState(claude, folder)
  if (state === undefined || state === "enabled") return
  return yield* new Failed({
    reason: installWords.claudeCodeTookThePluginAndSays(state, pluginId),
  })
})

/** Those of one folder stay, since they may have been meant so; they would be there beside the plugin. */
const otherEntries = Effect.fnUntraced(function* (path: string) {
  const folders = foldersWithServer((yield* readSettings(path)) ?? "")
  return folders.map((folder) => installWords.inTheServerWasAddedByHand(folder))
})
