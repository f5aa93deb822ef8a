/** Flows that are decided by what their first datagram carries: DNS by name, with real servers. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { askEngine } from '../../src/cli/admin-client.js'
import type { EngineStatus, FlowRecord } from '../../src/index.js'
import { Laboratory, until } from '../../src/laboratory/index.js'
import { startDnsServer } from '../helpers/dns-server.js'
import { root } from '../helpers/repository.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SluiceProcess } from '../helpers/sluice-process.js'
import { SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nsd', 'dig')

test('CS-11 CS-10 CS-08 VS-18 DNS questions go by their names: examples/dns.ts, with nsd and dig', async () => {
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 2 })
  for (const server of lab.servers) await startDnsServer(lab, server)
  const example = join(root, 'examples/dns.ts')
  const engine = await SluiceProcess.start(
    lab,
    `import example from ${JSON.stringify(example)}
     export default { ...example, ports: ${JSON.stringify(lab.ports())} }`,
  )
  const at = lab.client.namespace
  /** Which server answers for a name. */
  const whoAnswers = async (name: string, address: string) => {
    const question = [`@${address}`, name, 'TXT', '+short', '+timeout=5', '+tries=1']
    return (await at.exec('dig', question)).stdout.trim()
  }
  const clients = await SocketClients.start(at)
  for (const family of lab.families) {
    const address = lab.virtualAddress(family)
    expect(await whoAnswers('who.test', address)).toBe('"srv2"')
    expect(await whoAnswers('who.corp.test', address)).toBe('"srv1"')
    expect(await whoAnswers('WHO.corp.TEST', address)).toBe('"srv1"')
    // As long as a name can be, with data that fills the datagram.
    const long = Array.from({ length: 3 }, () => 'x'.repeat(63)).join('.')
    expect(await whoAnswers(`${long}.corp.test`, address)).toBe('')
    const garbage = await clients.connect({ protocol: 'udp', host: address, port: 53 })
    garbage.write('no question')
  }
  const status = () => askEngine<EngineStatus>(engine.socket, '/api/v1/status')
  await until('what is no question is refused', async () => {
    return (await status()).decisions.rejected === 2
  })
  const { events, decisions } = await status()
  expect(decisions).toMatchObject({ assigned: 8, rejected: 2, policyErrors: 0 })
  expect(events).toMatchObject({ datagram: 10, data: 10, syn: 0 })
  const flows = await askEngine<FlowRecord[]>(engine.socket, '/api/v1/flows')
  expect(flows).toHaveLength(8)
  for (const { seen } of flows) expect(seen).toEqual(expect.arrayContaining(['datagram', 'data']))
  await engine.stop()
})
