/** The engine begins to work when all that it decides with is there, and not before. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Laboratory, until } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { decodeFrame } from '../helpers/frame.js'
import { OpenLoad } from '../helpers/open-load.js'
import { startServers } from '../helpers/servers.js'
import { listen, nodes } from '../helpers/site.js'
import { requireCaptures, requireTools } from '../helpers/skip.js'
import { SluiceProcess } from '../helpers/sluice-process.js'

requireCaptures()
requireTools('ip', 'nsenter', 'nginx')

/** A configuration that is not loaded before `gate` is there, with a policy that wants srv2 only. */
function slowToLoad(lab: Laboratory, gate: string): string {
  const entries = lab.families.map((family) => ({
    pool: `web${family}: { nodes: ${nodes(lab, family, 80)} }`,
    server: `site${family}: { listen: '${listen(lab, family, 80)}', policy: () =>
      ({ node: ${nodes(lab, family, 80)}[1] }) }`,
  }))
  return `
    import { existsSync } from 'node:fs'
    while (!existsSync('${gate}')) await new Promise((resolve) => setTimeout(resolve, 5))
    export default {
      ports: ${JSON.stringify(lab.ports())},
      pools: { ${entries.map(({ pool }) => pool).join(', ')} },
      virtualServers: { ${entries.map(({ server }) => server).join(', ')} },
    }`
}

/** The client knows where the engine is, so that its first packets do not wait for an answer. */
async function makeKnown(lab: Laboratory): Promise<void> {
  const { stdout } = await lab.namespace('ctl').exec('ip', ['-j', 'link', 'show', 'dev', 'ext0'])
  const mac: string = JSON.parse(stdout)[0].address
  const addresses = lab.families.map((family) => lab.virtualAddress(family))
  await lab.client.namespace.ip(
    addresses.map((address) => `neighbour replace ${address} lladdr ${mac} dev eth0 nud permanent`),
  )
}

test('trap 10 CS-01 nothing is said before the policy is loaded, and the first connections are served', async () => {
  const EARLY = 40
  await using lab = await Laboratory.create({
    topology: 'two-arm',
    sysctls: { 'ipv4/ip_local_port_range': '50000 65000' },
  })
  await startServers(lab)
  await makeKnown(lab)
  const capture = await Capture.start(lab, lab.client.namespace, 'eth0')
  const gate = join(lab.folder, 'gate')
  const starting = SluiceProcess.start(lab, slowToLoad(lab, gate))
  const load = await OpenLoad.start(lab, 100)
  await until('some connections wait', async () => (await load.counts()).opened >= EARLY)
  const { stdout } = await lab.namespace('ctl').exec('ip', ['-j', 'link', 'show', 'dev', 'ext0'])
  const mac: string = JSON.parse(stdout)[0].address
  const saidBy = async () => {
    const frames = (await capture.read()).map(({ bytes }) => decodeFrame(bytes))
    return frames.filter(({ source }) => source === mac)
  }
  expect(await saidBy()).toEqual([])
  writeFileSync(gate, '')
  const engine = await starting
  await until('later ones are served at once', async () => {
    const { opened, answered } = await load.counts()
    return opened > 2 * EARLY && (answered.srv2 ?? 0) > EARLY
  })
  const { opened, answered, failed } = await load.end()
  expect({ answered, failed }).toEqual({ answered: { srv2: opened }, failed: 0 })
  // None of the early SYNs was refused, or met an engine that knew of no virtual server.
  const said = await saidBy()
  expect(said.filter(({ tcp }) => tcp?.flags.has('RST'))).toEqual([])
  expect(said.filter(({ icmp }) => icmp && icmp.type < 100 && icmp.type !== 0)).toEqual([])
  await engine.stop()
})
