/** A connection as its TCP tells it, copied from the message. */
import { SocketOptions, type SocketStateMessage } from '../generated/streams.js'
import { type TcpInfo, tcpStateNames } from './types.js'

export type SocketState = Omit<TcpInfo, 'openedAt' | 'lastActiveAt'> & {
  readonly idleMs: number
  readonly bytesReceived: bigint
  readonly bytesSent: bigint
}

export function socketStateOf(message: SocketStateMessage): SocketState {
  const { mss, mtu, srttUs, rttvarUs, cwnd, ssthresh, flight, sndWnd, rcvWnd, idleMs } = message
  return {
    state: tcpStateNames[message.tcpState] ?? 'closed',
    ...{ mss, mtu, srttUs, rttvarUs, rtoMs: message.rtoUs / 1000 },
    ...{ cwnd, ssthresh, flight, sndWnd, rcvWnd, idleMs },
    sndBuf: { used: message.sendQueued, size: message.share },
    rcvBuf: { used: message.receiveQueued, size: message.share },
    options: optionsOf(message),
    bytesReceived: message.bytesReceived,
    bytesSent: message.bytesSent,
  }
}

function optionsOf({ options, sndWscale, rcvWscale }: SocketStateMessage): TcpInfo['options'] {
  const has = (flag: number) => (options & flag) !== 0
  return {
    sack: has(SocketOptions.sack),
    timestamps: has(SocketOptions.timestamps),
    wscale: has(SocketOptions.windowScale) ? [rcvWscale, sndWscale] : null,
    ecn: has(SocketOptions.ecn),
  }
}
