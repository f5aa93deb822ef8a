/**
 * `impaired`: one download over a link that delays and loses, from the engine's own TCP and from the
 * kernel's CUBIC, by the same rules and with the same frames lost.
 */
import { join } from 'node:path'
import { type Host, Laboratory, missingTools, type Namespace } from '../../src/laboratory/index.js'
import { slowDown } from '../../test/helpers/impairment.js'
import { root } from '../../test/helpers/repository.js'
import { NginxServer } from '../../test/helpers/servers.js'
import { SluiceProcess } from '../../test/helpers/sluice-process.js'
import { unavailable } from '../loads/first-packets.js'
import type { Sample, Subject, Trial } from '../trial.js'

const ONE_WAY_MS = 20
const MBIT = 50
const LOSSES = ['0', '0.1', '1']
const SECONDS = 8
/** More than the link carries in that time. */
const SIZE = 100_000_000
const PORT = 80

export const impaired: Trial = {
  name: 'impaired',
  about:
    `One download, ${SECONDS} s of it, over ${MBIT} Mbit/s and ${2 * ONE_WAY_MS} ms there and back, ` +
    'of which so many of a hundred frames are lost each way, from the engine (a relay, whose server is ' +
    'near) and from a server whose kernel has CUBIC. The link is a program; its seed changes with each run.',
  metrics: [{ name: 'download', unit: 'Mbit/s', better: 'higher' }],
  runs: 5,
  laboratory: true,
  subjects: async () =>
    LOSSES.flatMap((loss) => [subject('sluice', loss), subject('kernel CUBIC', loss)]),
  comparisons: LOSSES.map((loss) => ({
    subject: `sluice, ${loss} %`,
    peer: `kernel CUBIC, ${loss} %`,
  })),
}

function subject(who: 'sluice' | 'kernel CUBIC', loss: string): Subject {
  return {
    name: `${who}, ${loss} %`,
    async unavailable() {
      const missing = missingTools('nginx', 'curl', 'python3', 'ethtool')
      return missing.length > 0
        ? `not installed: ${missing.join(', ')}`
        : unavailable(['netns', 'tun'])
    },
    async measure() {
      await using lab = await Laboratory.create({
        topology: 'two-arm',
        servers: 1,
        families: [4],
      })
      const [server] = lab.servers
      if (!server) throw new Error('a laboratory without a server')
      const nginx = await NginxServer.start(lab, server, { accessLog: false })
      await nginx.addFile(SIZE)
      const address = who === 'sluice' ? await enterSluice(lab) : await enterKernel(lab)
      const seed = Math.floor(Math.random() * 1e9)
      const link = { oneWayMs: ONE_WAY_MS, loss: Number(loss), mbit: MBIT, seed }
      await slowDown(lab.client.namespace, link)
      return [await download(lab.client.namespace, `http://${address}/bytes/${SIZE}`)]
    },
  }
}

async function enterSluice(lab: Laboratory): Promise<string> {
  const ports = Object.entries(lab.ports()).map(([name, port]) => [
    name,
    { ...(port as object), offloads: false },
  ])
  const services = JSON.stringify(join(root, 'test/helpers/services.ts'))
  await SluiceProcess.start(
    lab,
    `import * as services from ${services}
     export default {
       ports: ${JSON.stringify(Object.fromEntries(ports))},
       virtualServers: { web: {
         listen: 'tcp://${lab.virtualAddress()}:${PORT}',
         service: services.relayTo(services.SERVER, ${PORT}),
       } },
     }`,
  )
  return lab.virtualAddress()
}

/** The server's kernel has CUBIC towards the client, whatever namespaces are given by default. */
async function enterKernel(lab: Laboratory): Promise<string> {
  await lab.kernelRouter()
  const { namespace } = lab.servers[0] as Host
  const { stdout } = await namespace.exec('ip', ['-4', 'route', 'show', 'default'])
  await namespace.ip([`route replace ${stdout.trim()} congctl cubic`])
  // The link takes frames as they are: whole, and with their checksums.
  await namespace.exec('ethtool', ['-K', 'eth0', 'tx', 'off'])
  await lab.namespace('ctl').exec('ethtool', ['-K', 'ext0', 'tso', 'off', 'gso', 'off'])
  return lab.serverAddresses()[0] as string
}

async function download(from: Namespace, url: string): Promise<Sample> {
  const args = ['-s', '-o', '/dev/null', '-w', '%{size_download} %{time_total}']
  // It ends by the time that is up, which curl calls a failure.
  const { stdout } = await from.tryExec('curl', [...args, '--max-time', String(SECONDS), url])
  const [bytes = 0, seconds = 0] = stdout.split(' ').map(Number)
  const value = seconds === 0 ? 0 : (bytes * 8) / seconds / 1e6
  return { metric: 'download', value, loss: null }
}
