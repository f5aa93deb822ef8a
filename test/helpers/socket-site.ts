/** An engine without packets whose connections end in it, and who is connected to it. */
import { Transform } from 'node:stream'
import { onTestFinished } from 'vitest'
import type { SluiceConfig, VirtualServerConfig } from '../../src/config/config.js'
import { Engine } from '../../src/engine.js'
import type { ServiceFunction } from '../../src/socket/service.js'
import type { Socket } from '../../src/socket/socket.js'
import { FakeSegment } from './fake-segment.js'
import { farmConfig, farmEndpoints } from './farm.js'

type Change = Partial<VirtualServerConfig> & { config?: Partial<SluiceConfig> }

/** A running engine with the virtual server `site`, whose connections a service has. */
export async function startSite(service: ServiceFunction, { config, ...server }: Change = {}) {
  const segment = new FakeSegment()
  const logged: object[] = []
  const note = (details: object) => void logged.push(details)
  const logger = { debug() {}, info: note, warn: note, error: note }
  const farm = farmEndpoints(4)
  const site = { listen: `tcp://${farm.vip}`, service, ...server }
  const full = farmConfig(4, () => ({ virtualServers: { site }, ...config }))
  const engine = await Engine.start(full, { segment, logger })
  onTestFinished(() => engine.stop())
  const { streams } = segment
  let clients = 0
  /** A client connects to the virtual server. */
  const client = (n = clients++) => streams.accept(farm.client(n), farm.vip, 1)
  return { engine, segment, streams, farm, logged, client, stack: engine.stack }
}

/** The same, and the socket of its first client beside the client itself. */
export async function startWithClient(change: Change = {}) {
  const waiting: ((socket: Socket) => void)[] = []
  const site = await startSite((inbound) => waiting.shift()?.(inbound), change)
  const connect = async (from?: number | string) => {
    const inbound = new Promise<Socket>((resolve) => waiting.push(resolve))
    const isEndpoint = typeof from === 'string'
    const client = isEndpoint ? site.streams.accept(from, site.farm.vip, 1) : site.client(from)
    return { client, inbound: await inbound }
  }
  return { ...site, connect, ...(await connect()) }
}

export const server = { address: '10.1.0.11', port: 8080 }

/** A client, its pair, and the server beyond. */
export async function startPair(change: Change = {}) {
  const site = await startWithClient(change)
  const outbound = await site.stack.connect({ ...server, associateWith: site.inbound })
  const origin = site.streams.connections.get(outbound.id)
  const { pair } = outbound
  if (!origin || !pair) throw new Error('no pair')
  return { ...site, outbound, pair, origin }
}

/** Bytes in capital letters. */
export const upper = () =>
  new Transform({
    transform(chunk, _encoding, done) {
      done(null, String(chunk).toUpperCase())
    },
  })

/** Each event of a socket with the turn of its arguments, in order. */
export function trace(socket: Socket, ...events: string[]): string[] {
  const seen: string[] = []
  for (const event of events) {
    socket.on(event, (argument?: unknown) => {
      seen.push(Buffer.isBuffer(argument) ? `${event} ${argument}` : event)
    })
  }
  return seen
}

/** Resolves when everything that was sent, either way, has come. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve))
}
