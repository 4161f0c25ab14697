/** Of flags that several commands share. */
import type { Part } from "./Part.ts"

export const doItWithoutAsking = "Do it without asking"

export const stayATableInPlaceOnA = "Stay: a table in place on a terminal, elsewhere a line for each change"

export const onlyThisMeshByItsSlug = "Only this mesh, by its slug"

export const aMembersNameAsItIsCertified =
  "A member's name as it is certified, or the key, or its first 8 characters or more"

export const yourNameInTheMeshDefaultWhat = "Your name in the mesh (default: what git calls you, else it is asked for)"

export const urlOfTheBrokerDefaultOrClaudemesh = (defaultBroker: Part): string =>
  `URL of the broker (default ${defaultBroker}, or CLAUDEMESH_BROKER)`
