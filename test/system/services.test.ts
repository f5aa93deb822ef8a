/** One farm for many kinds of traffic. */
import { expect, test } from 'vitest'
import { type Family, type Laboratory, until } from '../../src/laboratory/index.js'
import { HOLDING_LITTLE, iperf, MOST_UNCOUNTED } from '../helpers/iperf.js'
import { startEcho, startIperf, startServers } from '../helpers/servers.js'
import { listen, nodes, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'iperf3', 'curl')

const SMTP = 25
const SIP = 5060
const RTP = 16_384
const IPERF = 5201

/** Datagrams of a stream, as many as a second of speech has. */
const STREAM = 50

test('LB-22 web, mail, telephony, streaming and bulk transfer, each over every server', async () => {
  await using site = await Site.start({
    topology: 'two-arm',
    sysctls: HOLDING_LITTLE,
    startServers: async (lab) => {
      for (const host of lab.servers) {
        for (const port of [SMTP, SIP, RTP]) await startEcho(lab, [host], port)
        await startIperf(host, IPERF)
      }
      return startServers(lab)
    },
    pools: (family, lab) => ({
      mail: `nodes: ${nodes(lab, family, SMTP)}, balance: 'least-connections'`,
      calls: `nodes: ${nodes(lab, family, SIP)}`,
      media: `nodes: ${nodes(lab, family, RTP)}, balance: 'least-bytes'`,
      // Its several connections belong together.
      bulk: `nodes: ${nodes(lab, family, IPERF)}, balance: { hash: 'source' }`,
    }),
    virtualServers: (family, lab) => ({
      web: server(lab, family, 'tcp', 80, 'web'),
      mail: server(lab, family, 'tcp', SMTP, 'mail'),
      calls: server(lab, family, 'udp', SIP, 'calls'),
      media: server(lab, family, 'udp', RTP, 'media'),
      bulk: server(lab, family, 'tcp', IPERF, 'bulk'),
    }),
  })
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const host = site.lab.virtualAddress(family)
    const servers = new Set(site.lab.serverAddresses(family))
    const [web, mail, calls, media] = [0, 1, 2, 3].map(() => new Set<string>())
    for (let turn = 0; turn < 6; turn += 1) {
      web?.add((await site.fetch(family)).body)

      const letter = await clients.connect({ host, port: SMTP })
      for (const line of ['EHLO test', 'MAIL FROM:<a@test>', 'QUIT']) letter.write(`${line}\n`)
      mail?.add((await letter.untilReceived(/^(\S+) .* 3 QUIT\n$/m))[1] as string)

      const call = await clients.connect({ protocol: 'udp', host, port: SIP })
      call.write('INVITE sip:b@test SIP/2.0')
      calls?.add((await call.untilReceived(/^(\S+) \S+ 1 INVITE/))[1] as string)

      const stream = await clients.connect({ protocol: 'udp', host, port: RTP })
      stream.write('frame 0')
      media?.add((await stream.untilReceived(/^(\S+) .* frame 0\n/))[1] as string)
      for (let frame = 1; frame < STREAM; frame += 1) stream.write(`frame ${frame}`)
      await until('every frame came back', () => stream.received.length === STREAM)
    }
    expect(web).toEqual(new Set(['srv1\n', 'srv2\n', 'srv3\n']))
    for (const seen of [mail, calls, media]) expect(seen).toEqual(servers)
    const { bytes } = await iperf(site.client, host, { port: IPERF, bytes: 20e6 })
    expect(bytes).toBeGreaterThan(20e6 - MOST_UNCOUNTED)
  }
  const { decisions } = await site.end()
  expect(decisions).toMatchObject({ unavailable: 0, limited: 0, rejected: 0 })
})

function server(
  lab: Laboratory,
  family: Family,
  protocol: string,
  port: number,
  pool: string,
): string {
  return `listen: '${listen(lab, family, port, protocol)}', pool: '${pool}${family}'`
}
