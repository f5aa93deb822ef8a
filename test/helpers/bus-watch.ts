/** Which messages about flows (SSMB) pass between an engine's two segments, either way. */
import { isCsmb, messageSize } from '../../src/bus/message-size.js'
import { ssmbMessages } from '../../src/generated/messages.js'
import { createNativeSegment, type NativeSegment } from '../../src/native.js'

const nameOf = new Map<number, string>(ssmbMessages.map(({ code, name }) => [code, name]))

/** A data flow segment, and the names of the messages so far, oldest first. */
export function watchedSegment(): { segment: NativeSegment; said: string[] } {
  const segment = createNativeSegment()
  const said: string[] = []
  const note = (messages: Uint8Array, length: number) => {
    const view = new DataView(messages.buffer, messages.byteOffset, length)
    for (let at = 0; at < length; ) {
      if (!isCsmb(view, at)) said.push(String(nameOf.get(view.getUint8(at))))
      const size = messageSize(view, at, length)
      if (size === 0) throw new Error('not a whole message')
      at += size
    }
    return length
  }
  const [drain, submit] = [segment.drain.bind(segment), segment.submit.bind(segment)]
  const watched: Pick<NativeSegment, 'drain' | 'submit'> = {
    drain: (into) => note(into, drain(into)),
    submit: (messages, length) => note(messages, submit(messages, length)),
  }
  for (const [name, value] of Object.entries(watched)) {
    Object.defineProperty(segment, name, { value })
  }
  return { segment, said }
}
