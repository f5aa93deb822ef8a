/** What the end of a flow says of its node. */
import { type DeleteView, EndReason, TcpState } from '../generated/messages.js'
import type { Node } from './node.js'

/** A RST has no options; a SYN-ACK has at least the MSS, in every stack that servers run on. */
const resetBytes = { 4: 40, 6: 60 } as const
/** A SYN-ACK, an ACK and something more: the server took the connection. */
const servedPackets = 3

/**
 * A node refused a connection where all that it ever sent was a RST. Silence is not held against it:
 * a node may be silent because nobody answered its SYN-ACK, and one that lost a SYN looks the same as
 * one that is gone.
 */
export function judgeNode(node: Node, { cnt, reason, tcpState }: DeleteView): void {
  if (tcpState === TcpState.none) return
  const { pktsOutNumber: packets, bytesOutNumber: bytes } = cnt
  const reset = packets === 1 && bytes <= resetBytes[node.endpoint.family]
  if (reason === EndReason.rst && reset) node.condition.takeFlow(true)
  else if (reason === EndReason.fin || packets >= servedPackets) node.condition.takeFlow(false)
}
