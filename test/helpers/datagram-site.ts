/** An engine without packets with a service of UDP, and who sends datagrams to it. */
import type { DatagramPair, DatagramServiceFunction, DatagramSocket } from '../../src/index.js'
import { startFarm } from './farm.js'
import type { PeerFlow } from './peer-flow.js'
import { quiet } from './socket-site.js'

export const server = { address: '10.1.0.11', port: 8053 }

/** An engine whose virtual server of UDP has that service, which is number 1. */
export async function startService(service: DatagramServiceFunction, settings: object = {}) {
  const logged: object[] = []
  const note = (details: object) => void logged.push(details)
  const logger = { debug() {}, info: note, warn: note, error: note }
  const site = await startFarm(
    4,
    ({ vip }) => ({
      virtualServers: { names: { listen: `udp://${vip}` as const, service, ...settings } },
    }),
    { logger },
  )
  const { streams } = site.segment
  let clients = 0
  const client = () => streams.begin(site.farm.client(clients++), site.farm.vip, 1)
  return { ...site, streams, client, logged, stack: site.engine.stack }
}

/** The same with the socket of its first client, and the client. */
export async function startWithClient(settings: object = {}) {
  const sockets: DatagramSocket[] = []
  const site = await startService((inbound) => void sockets.push(inbound), settings)
  const client = site.client()
  await quiet()
  const [inbound] = sockets as [DatagramSocket]
  return { ...site, sockets, client, inbound, next: site.client }
}

/** A client, its pair, and the server beyond. */
export async function startPair() {
  const site = await startWithClient()
  const to = { protocol: 'udp', ...server, associateWith: site.inbound } as const
  const outbound = await site.stack.connect(to)
  const origin = site.streams.flows.get(outbound.id) as PeerFlow
  return { ...site, outbound, origin, pair: outbound.pair as DatagramPair }
}

/** What it is sent from now on. */
export const heard = (socket: DatagramSocket) => {
  const datagrams: string[] = []
  socket.on('message', (datagram) => datagrams.push(datagram.toString()))
  return datagrams
}
