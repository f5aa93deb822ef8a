/** How long a message is, in a buffer of whole messages. */
import { csmbMessages, ssmbMessages } from '../generated/messages.js'

const csmbHeader = 12

/** Size by code of what is fixed; 0 for a code that is no message. */
const ssmbSizes = new Uint16Array(256)
/** 1 for a code whose messages have data behind that, of a length that stands before it. */
const ssmbTails = new Uint8Array(256)
for (const { code, size, variable } of ssmbMessages) {
  ssmbSizes[code] = size
  ssmbTails[code] = Number(variable)
}

/** The fixed part by code. */
export const csmbSizes: ReadonlyMap<number, number> = new Map(
  csmbMessages.map(({ code, size }) => [code, size]),
)

/** The first byte of a CSMB message is 0, that of an SSMB message never (messages.def). */
export const isCsmb = (view: DataView, at: number) => view.getUint8(at) === 0

/** Of the message at `at`, before `end`; 0 where there is none, and what follows cannot be found. */
export function messageSize(view: DataView, at: number, end: number): number {
  const size = isCsmb(view, at) ? csmbSize(view, at, end) : ssmbSize(view, at, end)
  return at + size > end ? 0 : size
}

/** Data is padded to a multiple of 4. */
function ssmbSize(view: DataView, at: number, end: number): number {
  const code = view.getUint8(at)
  const fixed = ssmbSizes[code]
  if (ssmbTails[code] === 0 || at + fixed > end) return fixed
  return fixed + ((view.getUint16(at + fixed - 2) + 3) & ~3)
}

/** The size that a CSMB header states. */
function csmbSize(view: DataView, at: number, end: number): number {
  if (at + csmbHeader > end) return 0
  const size = view.getUint16(at + 2)
  return size < csmbHeader ? 0 : size
}
