/** What `demo` shows. */
import type { Part } from "./Part.ts"

export const doesTheBuildPassOnYourMachine = "Does the build pass on your machine?"

export const yesAll212TestsIPushedThe = "Yes, all 212 tests. I pushed the fix."

export const aBrokerListensOn = "A broker listens on"

export const aMeshWasMadeByItsOwners = "A mesh was made by its owner's signature:"

export const twoPeersProvedTheirKeysAndAre = "Two peers proved their keys and are attached:"

export const sealedOnAlicesSideAckedAfterThe = (value: Part): string =>
  `sealed on alice's side; acked after the commit: ${value}`

export const isNotInTheDemosMesh = (name: Part): string => `${name} is not in the demo's mesh`

export const nothingWasDeliveredToInMs = (name: Part, waitMillis: Part): string =>
  `nothing was delivered to ${name} in ${waitMillis} ms`

export const fromWhoseKeySealedIt = (name: Part): string => `from ${name}, whose key sealed it`

export const whatTheBrokerStoredOfIt = "What the broker stored of it"

export const erasedItsRecipientHasIt = "erased: its recipient has it"

export const theBrokerStoredSomethingElseThanIt = "the broker stored something else than it should"

export const itsWholeDataWasSearchedForThe = (green: Part): string =>
  `\n${green} Its whole data was searched for the two texts, plain, in base64 and in hex: they are not in it.`
