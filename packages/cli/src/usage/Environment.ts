/** The environment variables of the command, with what they mean: for its help and its man page. Those of the broker stand in README.md. */
import * as lineWords from "../words/usage.ts"

export const environment: ReadonlyArray<readonly [name: string, meaning: string]> = [
  ["CLAUDEMESH_HOME", lineWords.folderOfYourKeysAndMeshesDefault],
  ["CLAUDEMESH_BROKER", lineWords.brokerOfNewMeshesWhereBrokerDoes],
  ["CLAUDEMESH_TIMEOUT", lineWords.howLongToWaitForABroker],
  ["CLAUDEMESH_PASSPHRASE", lineWords.passphraseOfExportAndImportWhereNo],
  ["CLAUDEMESH_SECRET_STORE", lineWords.fileOrKeychainWhereYourSecretKeys],
  ["CLAUDEMESH_HISTORY", lineWords.howManyShownMessagesStayReadableHere],
  ["CLAUDEMESH_HISTORY_DAYS", lineWords.andForHowManyDaysDefault7],
  ["CLAUDEMESH_PROFILE", lineWords.noneYourSessionsTellTheMeshNeither],
  ["CLAUDEMESH_WAKES_PER_HOUR", lineWords.howOftenAnIdleClaudeCodeMay],
  ["BROKER_ADMIN_TOKEN", lineWords.theBrokersAdminTokenForCreate],
  ["HTTPS_PROXY, HTTP_PROXY, NO_PROXY", lineWords.throughWhichProxyBrokersAreReachedNever],
  ["OTEL_EXPORTER_OTLP_ENDPOINT", lineWords.whereSpansOfMessagesAreExported],
  ["NO_COLOR, FORCE_COLOR", lineWords.noColoursColoursAlsoWhereNoTerminal],
]
