/** Walks whole messages that a control segment sends, for those who keep its tables a second time. */
import { ReplyView, ResetView, TimeoutView } from '../generated/messages.js'
import { messageSize } from './message-size.js'

/** Takes those messages that change a table, in order. A view is good until the method returns. */
export interface SentSink {
  reply(message: ReplyView): void
  timeout(message: TimeoutView): void
  reset(message: ResetView): void
}

/** Reads them from the first byte to the last. */
export function readSent(messages: Uint8Array, sink: SentSink): void {
  const view = new DataView(messages.buffer, messages.byteOffset, messages.length)
  const [reply, timeout, reset] = [new ReplyView(view), new TimeoutView(view), new ResetView(view)]
  for (let at = 0; at < messages.length; ) {
    const code = view.getUint8(at)
    if (code === ReplyView.code) sink.reply(moved(reply, at))
    else if (code === TimeoutView.code) sink.timeout(moved(timeout, at))
    else if (code === ResetView.code) sink.reset(moved(reset, at))
    const size = messageSize(view, at, messages.length)
    if (size === 0) return
    at += size
  }
}

function moved<View extends { at: number }>(view: View, at: number): View {
  view.at = at
  return view
}
