/** What each command does, in the list of them all and at the head of its own help. */
import type { Part } from "./Part.ts"

export const makeAMeshAndItsOwnerKey = "Make a mesh and its owner key, with yourself as its first member"

export const makeALinkByWhichOthersJoin = "Make a link by which others join a mesh of yours"

export const joinAMeshByAnInviteLink = "Join a mesh by an invite link"

export const listTheInviteLinksOfAMesh = "List the invite links of a mesh that you own or are an admin of"

export const endAnInviteLinkOfAMesh = "End an invite link of a mesh; who has joined by it stays"

export const removeAMemberFromAMeshFor = "Remove a member from a mesh for good; only its owner and its admins can"

export const leaveAMeshForGoodYourKey =
  "Leave a mesh for good: your key is revoked there, and nobody encrypts to it any more"

export const compareKeysWithAMemberByVoice = "Compare keys with a member by voice, and remember that you did"

export const showWhoYouAreInEachMesh = "Show who you are in each mesh: name, key, fingerprint, role and broker"

export const callAMemberOtherwiseOnThisMachine =
  "Call a member otherwise on this machine, such as one of two with one name"

export const listTheMeshesYouHaveJoined = "List the meshes you have joined"

export const showWhoIsInYourMeshesAnd = "Show who is in your meshes, and who is connected"

export const showTheChannelsOfYourMeshesAnd = "Show the channels of your meshes, and how many are in them"

export const sendAMessageEndToEndEncrypted = "Send a message, end-to-end encrypted"

export const answerAMessageThatWasShownOn = "Answer a message that was shown on this machine"

export const showWhatBecameOfAMessageYou = "Show what became of a message you sent"

export const readTheMessagesThatWaitForYou = "Read the messages that wait for you; each is shown once"

export const listTheMessagesOfThisMachineThat = "List the messages of this machine that wait to be sent; cancel one"

export const showWhetherYourMeshesAreReachedAnd = "Show whether your meshes are reached, and what waits for you"

export const followAMeshWhoseBrokerHasAnother =
  "Follow a mesh whose broker has another address now; its owner moves everybody"

export const showOrChangeWhatYourSessionsTell = "Show or change what your sessions tell a mesh about where they run"

export const writeYourIdentityAndItsKeysTo = "Write your identity and its keys to a file, encrypted with a passphrase"

export const takeOverAnIdentityThatWasExported = "Take over an identity that was exported on another machine"

export const connectClaudeCodeOrAnotherHostOf = "Connect Claude Code, or another host of agents, to your meshes"

export const removeWhatInstallHasPutIntoAgents =
  "Remove what install has put into agents' hosts; your keys and meshes stay"

export const checkThisMachineTheBrokersAndThe =
  "Check this machine, the brokers and the agents' hosts, and say what to do"

export const serveMcpOnStdioForAnAgents = "Serve MCP on stdio, for an agent's host to start"

export const runTheBrokerItsSettingsAreEnvironment =
  "Run the broker; its settings are environment variables, see README.md"

export const printAScriptThatCompletesCommandsPeers =
  "Print a script that completes commands, peers, meshes and channels in your shell"

export const showHowACommandIsCalledWith = "Show how a command is called, with examples"

export const showTwoPeersExchangingAMessageThrough =
  "Show two peers exchanging a message through a broker of their own, then what it stored"

export const makeAMeshWithTestMembersOn =
  "Make a mesh with test members on a broker of this machine; their keys are printed"

export const endToEndEncryptedMessagesBetweenPeoples = "End-to-end encrypted messages between people's coding agents"

export const thereIsNoCommandToHelpWith = (topic: Part): string => `There is no command "${topic}" to help with.`

export const copyWhatTheBrokerHasStored = "Copy what the broker of this machine has stored, while it runs"

export const exportCheckAndShowTheAudit = "Export, check and show the audit of the broker of this machine"
