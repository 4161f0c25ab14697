/** What can be done about a failure, by its cause. */
import type { Part } from "./Part.ts"

export const theKeyIsNotThisMembersOr =
  "The key is not this member's, or the broker does not list the dialled URL in its BROKER_PUBLIC_URL. Ask its operator."

export const isThisTheRightBrokerAndIts =
  "Is this the right broker, and its admin token right? Give it with --admin-token"

export const giveTheBrokersAdminTokenWithAdmin =
  "Give the broker's admin token with --admin-token, once its operator has set one."

export const askTheBrokersOperatorWhichVersionIt =
  "Ask the broker's operator which version it has, or install a newer claudemesh."

export const tryAgainLaterOrTellTheBrokers = "Try again later, or tell the broker's operator."

export const isThisTheBrokerThatTheMesh =
  "Is this the broker that the mesh was made on? If it is, it has lost or never had your key: ask the mesh's owner for a new invite."

export const isTheBrokerRunningStartOneHere = (setting: Part, command: Part): string =>
  `Is the broker running? Start one here with: ${setting}${command} broker`

export const areHostAndPortRightAndIs = "Are host and port right, and is the broker running there? Ask its operator."

export const lookForASlipInTheAddress = "Look for a slip in the address."

export const isThisMachineConnectedToANetwork = "Is this machine connected to a network?"

export const isThisMachineConnectedToThatNetwork = "Is this machine connected to that network, or to its VPN?"

export const tryAgainToWaitLongerTimeout2m = "Try again. To wait longer: --timeout 2m"

export const tryAgainIfItStaysLikeThis = "Try again. If it stays like this, ask the broker's operator."

export const nothingWasSentTellTheBrokersOperator = "Nothing was sent. Tell the broker's operator."

export const tryAgainInAMomentToWait = "Try again in a moment. To wait for it: --timeout 2m"

export const isThisTheAddressOfTheBroker = "Is this the address of the broker? Ask its operator."

export const lookAtHttpsProxyHttpProxyAnd =
  "Look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Brokers of this machine are never dialled through a proxy."

export const dialTheBrokersOwnAddressAskIts = "Dial the broker's own address. Ask its operator."

export const tryAgainIfItStaysLikeThis2 = (command: Part): string =>
  `Try again. If it stays like this, run: ${command} doctor`

export const yourKeyWasRevokedThereForgetThe = (command: Part): string =>
  `Your key was revoked there. Forget the mesh here with: ${command} leave <mesh>; to come back you need a new invite.`

export const seeWhoIsThere = (command: Part): string =>
  `See who is there with: ${command} peers. A session that has ended gets nothing more: send to its member, without it.`
