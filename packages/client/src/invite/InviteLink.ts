/**
 * An invite as text: `https://host/join#…`. What follows the `#` never leaves the reader's machine, and it holds
 * everything that joining needs but the broker: the signed invite, its secret key and, where an admin made it, the
 * admin's own proof. Nothing of a link is believed before its signatures lead to the owner's key that it names, and no
 * two texts are the same link: what is read, written again, is the text or it is refused.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { hash } from "node:crypto"
import { PublicKey } from "@claudemesh/domain/Ids"
import { isoFromMillis, minuteOf } from "@claudemesh/domain/IsoTime"
import { Certificate } from "@claudemesh/domain/trust/Certificate"
import { Invite } from "@claudemesh/domain/trust/Invite"
import { ChainVerifier } from "@claudemesh/domain/trust/ChainVerifier"
import { Clock, Effect, Option, Redacted, Schema } from "effect"
import { BrokerUrl } from "../keys/BrokerUrl.ts"
import type { HiddenKey } from "../keys/HiddenKey.ts"
import { verifierOf } from "../keys/SignRecords.ts"
import { Sodium } from "../keys/Sodium.ts"
import { linkCharactersMax } from "../Limits.ts"

/** The proof of the admin who signed an invite. */
export interface Issuer {
  readonly certificate: Certificate
  /** The one it came by, of the owner. */
  readonly invite: Invite
}

export interface InviteLink {
  readonly invite: Invite
  /** As the invite has it. */
  readonly brokerUrl: BrokerUrl
  /** The invite's, with which whoever has the link certifies a member. */
  readonly secretKey: HiddenKey
  /** Absent when the owner signed it. */
  readonly issuer?: Issuer
}

/** It is no link of ours, or not as it was when it was made. */
export class LinkBroken extends Schema.TaggedError<LinkBroken>()("LinkBroken", { problem: Schema.String }) {
  get what() {
    return `The invite link is incomplete or damaged (${this.problem}).`
  }
  get hint() {
    return "Copy the whole link again, or ask for another one."
  }
  override get message() {
    return withHint(this)
  }
}

export class LinkExpired extends Schema.TaggedError<LinkExpired>()("LinkExpired", { expiresAt: Schema.String }) {
  get what() {
    return `The invite expired at ${minuteOf(this.expiresAt)}.`
  }
  get hint() {
    return "Ask for another link."
  }
  override get message() {
    return withHint(this)
  }
}

/** It is whole, and its signatures do not lead to the owner's key: somebody made it who may not invite, or changed it. */
export class LinkForged extends Schema.TaggedError<LinkForged>()("LinkForged", { doubt: Schema.String }) {
  get what() {
    return `The invite link was not signed by the mesh's owner or an admin (${this.doubt}).`
  }
  get hint() {
    return "Do not use it. Ask the person who gave it to you."
  }
  override get message() {
    return withHint(this)
  }
}

const version = "1"
const ownFields = 13
const issuerFields = 13

const ofHex = (hex: string): string => Buffer.from(hex, "hex").toString("base64url")
const toHex = (field: string | undefined): string => Buffer.from(field ?? "", "base64url").toString("hex")
const ofText = (text: string): string => Buffer.from(text).toString("base64url")
const toText = (field: string | undefined): string => Buffer.from(field ?? "", "base64url").toString()
const ofTime = (time: string): string => String(Date.parse(time))

/** Fourteen digits at the most, so that every one is a time. */
const toTime = (field: string | undefined): string =>
  /^\d{1,14}$/.test(field ?? "") ? isoFromMillis(Number(field)) : ""

/** Against mistakes in copying, and no more: whoever changes a link on purpose changes it too. */
const checksumOf = (text: string): string =>
  Buffer.from(hash("sha256", `claudemesh-invite-link\n${text}`, "hex").slice(0, 12), "hex").toString("base64url")

/** Whether a text is a link with nothing changed, cut off or added by mistake. */
export const checksumMatches = (text: string): boolean => {
  const end = text.lastIndexOf(".")
  return text.length <= linkCharactersMax && text.slice(end + 1) === checksumOf(text.slice(0, end))
}

export const formatInviteLink = ({ invite, issuer, secretKey }: InviteLink): string => {
  const fields = [
    version,
    invite.meshId,
    invite.slug,
    ofText(invite.meshName),
    invite.allowUnsealed ? "unsealed-too" : "sealed",
    ofHex(invite.ownerPublicKey),
    ofHex(Redacted.value(secretKey).slice(0, 64)),
    invite.role,
    String(invite.uses),
    ofTime(invite.expiresAt),
    ofText(invite.label),
    invite.issuer === invite.ownerPublicKey ? "" : ofHex(invite.issuer),
    ofHex(invite.signature),
    ...(issuer === undefined ? [] : issuerFieldsOf(issuer, invite)),
  ]
  const text = `${invite.brokerUrl.replace(/^ws/, "http").replace(/ws$/, "join")}#${fields.join(".")}`
  return `${text}.${checksumOf(text)}`
}

/** What its invite says of the mesh is not said twice: all invites of a mesh say the same, or the owner did not sign it. */
const issuerFieldsOf = ({ certificate, invite: own }: Issuer, invite: Invite): ReadonlyArray<string> => [
  certificate.memberId,
  ofText(certificate.displayName),
  certificate.allowV1 ? "v1-too" : "v2",
  ofTime(certificate.joinedAt),
  ofHex(certificate.signature),
  ofHex(certificate.consent),
  ofHex(own.publicKey),
  own.brokerUrl === invite.brokerUrl ? "" : ofText(own.brokerUrl),
  own.role,
  String(own.uses),
  ofTime(own.expiresAt),
  ofText(own.label),
  ofHex(own.signature),
]

const decodeInvite = Schema.decodeUnknownOption(Invite)
const decodeCertificate = Schema.decodeUnknownOption(Certificate)
const isBrokerUrl = Schema.is(BrokerUrl)

/** Everything is checked before anything is returned: the shape, the signatures, and the time. */
export const parseInviteLink = Effect.fn("InviteLink.parse")(function* (text: string) {
  const link = yield* verifyInviteLink(text)
  yield* isStillGood(link)
  return link
})

export const isStillGood = Effect.fnUntraced(function* ({ invite: { expiresAt } }: InviteLink) {
  if (Date.parse(expiresAt) <= (yield* Clock.currentTimeMillis)) return yield* new LinkExpired({ expiresAt })
})

/** The same but for the time, for who may have joined by it before. */
export const verifyInviteLink = Effect.fn("InviteLink.verify")(function* (text: string) {
  const sodium = yield* Sodium
  const link = yield* read(text, sodium)
  const { meshId, ownerPublicKey } = link.invite
  const register = new ChainVerifier(meshId, ownerPublicKey, verifierOf(sodium))
  if (link.issuer !== undefined) {
    register.learnInvite(link.issuer.invite)
    register.learnCertificate(link.issuer.certificate)
  }
  const doubt = register.inviteDoubt(link.invite)
  if (doubt !== undefined) return yield* new LinkForged({ doubt })
  return link
})

const read = Effect.fnUntraced(function* (text: string, sodium: typeof Sodium.Service) {
  const broken = (problem: string) => Effect.fail(new LinkBroken({ problem }))
  const [, address = "", fragment] = /^(https?:\/\/[!-"$-~]+\/)join#([A-Za-z0-9._-]+)$/.exec(text) ?? []
  if (text.length > linkCharactersMax || fragment === undefined)
    return yield* broken(
      /^https?:\/\/\S+\/join[/#.]*$/i.test(text)
        ? "what follows the # is missing"
        : "it does not look like an invite link",
    )
  if (!checksumMatches(text)) return yield* broken("a part of it is changed or missing")
  const fields = fragment.split(".").slice(0, -1)
  if (fields[0] !== version) return yield* broken("another version of claudemesh made it")
  const link =
    fields.length === ownFields || fields.length === ownFields + issuerFields
      ? linkOf(`${address.replace(/^http/, "ws")}ws`, fields, sodium)
      : undefined
  // Numbers, texts and keys can be written in more ways than ours.
  if (link === undefined || formatInviteLink(link) !== text)
    return yield* broken("claudemesh writes links in another way")
  return link
})

const linkOf = (
  brokerUrl: string,
  fields: ReadonlyArray<string>,
  sodium: typeof Sodium.Service,
): InviteLink | undefined => {
  const [, meshId, slug, meshName, sealed, owner, seed = "", role, uses, expiresAt, label, by = "", signature] = fields
  const seedBytes = Buffer.from(seed, "base64url")
  if (seedBytes.length !== 32 || !isBrokerUrl(brokerUrl)) return undefined
  const { publicKey, secretKey } = sodium.keyPairFromSeed(seedBytes)
  const ownerPublicKey = toHex(owner)
  const ofMesh = {
    meshId,
    slug,
    meshName: toText(meshName),
    allowUnsealed: sealed === "unsealed-too",
    ownerPublicKey,
    brokerUrl,
  }
  const invite = decodeInvite({
    ...ofMesh,
    publicKey,
    role,
    uses: Number(uses),
    expiresAt: toTime(expiresAt),
    label: toText(label),
    issuer: by === "" ? ownerPublicKey : toHex(by),
    signature: toHex(signature),
  })
  if (Option.isNone(invite)) return undefined
  const own = fields.slice(ownFields)
  // The owner needs no proof, and nothing would check one.
  if ((by === "") !== (own.length === 0)) return undefined
  if (own.length === 0) return { invite: invite.value, brokerUrl, secretKey }
  const issuer = issuerOf(own, invite.value.issuer, ofMesh)
  return issuer === undefined ? undefined : { invite: invite.value, brokerUrl, secretKey, issuer }
}

const issuerOf = (
  fields: ReadonlyArray<string>,
  issuer: PublicKey,
  ofMesh: { readonly ownerPublicKey: string; readonly brokerUrl: string },
): Issuer | undefined => {
  const [
    memberId,
    displayName,
    protocol,
    joinedAt,
    signature,
    consent,
    key,
    url = "",
    role,
    uses,
    expiresAt,
    label,
    ownSignature,
  ] = fields
  const invite = decodeInvite({
    ...ofMesh,
    brokerUrl: url === "" ? ofMesh.brokerUrl : toText(url),
    publicKey: toHex(key),
    role,
    uses: Number(uses),
    expiresAt: toTime(expiresAt),
    label: toText(label),
    issuer: ofMesh.ownerPublicKey,
    signature: toHex(ownSignature),
  })
  const certificate = decodeCertificate({
    invite: toHex(key),
    memberId,
    publicKey: issuer,
    displayName: toText(displayName),
    allowV1: protocol === "v1-too",
    joinedAt: toTime(joinedAt),
    signature: toHex(signature),
    consent: toHex(consent),
  })
  return Option.isSome(invite) && Option.isSome(certificate)
    ? { certificate: certificate.value, invite: invite.value }
    : undefined
}
