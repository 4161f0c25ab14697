/** The environment variables of the command, with what they mean: for its help and its man page. Those of the broker stand in README.md. */
export const environment: ReadonlyArray<readonly [name: string, meaning: string]> = [
  ["CLAUDEMESH_HOME", "Folder of your keys and meshes (default ~/.claudemesh)"],
  ["CLAUDEMESH_BROKER", "Broker of new meshes, where --broker does not say it"],
  ["CLAUDEMESH_TIMEOUT", "How long to wait for a broker, where --timeout does not say it, such as 60s"],
  ["CLAUDEMESH_PASSPHRASE", "Passphrase of export and import, where no terminal is there to ask"],
  ["CLAUDEMESH_SECRET_STORE", "file or keychain: where your secret keys are kept (default file)"],
  ["CLAUDEMESH_HISTORY", "How many shown messages stay readable here (default 200; 0 for none)"],
  ["CLAUDEMESH_HISTORY_DAYS", "And for how many days (default 7)"],
  ["CLAUDEMESH_PROFILE", "none: your sessions tell the mesh neither folder, host nor branch"],
  ["CLAUDEMESH_WAKES_PER_HOUR", "How often an idle Claude Code may be woken (default 20; 0 for never)"],
  ["BROKER_ADMIN_TOKEN", "The broker's admin token, for create"],
  ["HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "Through which proxy brokers are reached; never those of this machine"],
  ["NO_COLOR, FORCE_COLOR", "No colours; colours also where no terminal is"],
]
