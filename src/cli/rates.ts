/** What virtual servers did between two looks at an engine, by the second. Pure functions. */
import type { EngineStatus } from '../index.js'

export interface VirtualServerRates {
  readonly name: string
  readonly listen: string
  readonly state: string
  readonly connections: number
  /** Each a second. */
  readonly newConnections: number
  readonly packetsIn: number
  readonly packetsOut: number
  readonly bitsIn: number
  readonly bitsOut: number
}

export interface EngineRates {
  /** Of the later look, ISO 8601. */
  readonly at: string
  readonly seconds: number
  readonly flows: number
  /** Each a second. */
  readonly received: number
  readonly forwarded: number
  readonly dropped: number
  readonly virtualServers: readonly VirtualServerRates[]
}

export interface Look {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly status: EngineStatus
}

/** Of an engine that was started anew in between, everything counts. */
export function ratesBetween(before: Look, after: Look): EngineRates {
  const seconds = Math.max(after.at - before.at, 1) / 1000
  const anew = after.status.uptimeMs < before.status.uptimeMs
  const rate = (now: number, then = 0) => (now - (anew ? 0 : then)) / seconds
  const old = new Map(before.status.virtualServers.map((one) => [`${one.name} ${one.listen}`, one]))
  const { packets } = after.status
  return {
    at: new Date(after.at).toISOString(),
    seconds,
    flows: after.status.flows,
    received: rate(packets.received, before.status.packets.received),
    forwarded: rate(packets.forwarded, before.status.packets.forwarded),
    dropped: rate(packets.dropped, before.status.packets.dropped),
    virtualServers: after.status.virtualServers.map((one) => {
      const then = old.get(`${one.name} ${one.listen}`)
      return {
        name: one.name,
        listen: one.listen,
        state: one.state,
        connections: one.connections,
        newConnections: rate(one.totalConnections, then?.totalConnections),
        packetsIn: rate(one.packets.in, then?.packets.in),
        packetsOut: rate(one.packets.out, then?.packets.out),
        bitsIn: 8 * rate(one.bytes.in, then?.bytes.in),
        bitsOut: 8 * rate(one.bytes.out, then?.bytes.out),
      }
    }),
  }
}
