/** How long a message is, in a buffer of whole messages. */
import { csmbMessages, ssmbMessages } from '../generated/messages.js'

const csmbHeader = 12

/** Size by code; 0 for a code that is no message. Every SSMB type of this version is fixed. */
const ssmbSizes = new Uint16Array(256)
for (const { code, size } of ssmbMessages) ssmbSizes[code] = size

/** The fixed part by code. */
export const csmbSizes: ReadonlyMap<number, number> = new Map(
  csmbMessages.map(({ code, size }) => [code, size]),
)

/** The first byte of a CSMB message is 0, that of an SSMB message never (messages.def). */
export const isCsmb = (view: DataView, at: number) => view.getUint8(at) === 0

/** Of the message at `at`, before `end`; 0 where there is none, and what follows cannot be found. */
export function messageSize(view: DataView, at: number, end: number): number {
  const size = isCsmb(view, at) ? csmbSize(view, at, end) : ssmbSizes[view.getUint8(at)]
  return at + size > end ? 0 : size
}

/** The size that a CSMB header states. */
function csmbSize(view: DataView, at: number, end: number): number {
  if (at + csmbHeader > end) return 0
  const size = view.getUint16(at + 2)
  return size < csmbHeader ? 0 : size
}
