/** Where an installation is, in the home: the plugin, and the program with its runtime. */
import { join } from "node:path"

export const pluginIn = (home: string): string => join(home, "plugin")
export const runIn = (home: string): string => join(home, "run")
