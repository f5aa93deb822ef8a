/**
 * `frames`: how many frames of minimum size pass in a second when more are offered than anybody can
 * forward. Generator and forwarder share the machine, and where the forwarder is slower frames are
 * lost: loss is part of the figure.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  capabilities,
  type HostCapabilities,
  Laboratory,
  type LaboratoryPort,
  missingTools,
  type Namespace,
} from '../../src/laboratory/index.js'
import { root } from '../../test/helpers/repository.js'
import { SluiceProcess } from '../../test/helpers/sluice-process.js'
import { withCpuSeconds } from '../cpu.js'
import { DISCARD, discard } from '../loads/first-packets.js'
import { enterTestpmd } from '../peers/testpmd.js'
import type { MeasureOptions, Sample, Subject, Trial } from '../trial.js'

const GENERATOR = join(root, 'out/cmake/build/frame_generator')
const FLOWS = 1000
/** Long enough for every flow to be decided before the measuring. */
const WARM_UP_SECONDS = 0.5

export const frames: Trial = {
  name: 'frames',
  about:
    `Frames of 64 bytes (UDP, ${FLOWS} flows that are known before), as many as the generator can ` +
    'offer on the same cores. Loss: offered and not forwarded. CPU: of the whole machine.',
  metrics: [
    { name: 'forwarded', unit: 'frames/s', better: 'higher' },
    { name: 'CPU of frames', unit: 's/1 000 000', better: 'lower' },
  ],
  runs: 7,
  laboratory: true,
  subjects: async () => SUBJECTS,
  comparisons: [
    { subject: 'sluice packet', peer: 'testpmd af_packet' },
    { subject: 'sluice xdp', peer: 'testpmd af_xdp' },
    { subject: 'sluice packet', peer: 'nftables DNAT' },
  ],
}

interface Forwarder {
  name: string
  runs?: number | undefined
  needs: (keyof HostCapabilities)[]
  tools: string[]
  /** Puts itself between client and server; returns the address that the frames are for. */
  enter(lab: Laboratory): Promise<string>
}

const FORWARDERS: Forwarder[] = [
  { name: 'sluice packet', needs: ['afPacket'], tools: [], enter: (lab) => sluice(lab, 'packet') },
  {
    name: 'testpmd af_packet',
    needs: [],
    tools: ['dpdk-testpmd'],
    enter: (lab) => enterTestpmd(lab, 'net_af_packet'),
  },
  { name: 'sluice xdp', needs: ['afXdp'], tools: [], enter: (lab) => sluice(lab, 'xdp') },
  {
    name: 'testpmd af_xdp',
    needs: ['afXdp'],
    tools: ['dpdk-testpmd'],
    enter: (lab) => enterTestpmd(lab, 'net_af_xdp'),
  },
  {
    name: 'nftables DNAT',
    runs: 3,
    needs: [],
    tools: [],
    async enter(lab) {
      await lab.kernelNat()
      return lab.virtualAddress()
    },
  },
  {
    name: 'kernel forwarding',
    runs: 3,
    needs: [],
    tools: [],
    async enter(lab) {
      await lab.kernelRouter()
      return lab.serverAddresses()[0] as string
    },
  },
]

const SUBJECTS: Subject[] = FORWARDERS.map((forwarder) => ({
  name: forwarder.name,
  runs: forwarder.runs,
  unavailable: () => unavailable(forwarder),
  measure: (options) => measure(forwarder, options),
}))

async function unavailable({ needs, tools }: Forwarder): Promise<string | undefined> {
  const missing = missingTools('ip', 'nsenter', 'nft', ...tools)
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`
  const host = await capabilities()
  const lacking = (['netns', ...needs] as const).find((need) => !host[need].available)
  if (lacking) return `${host[lacking].reason}. ${host[lacking].remedy}`
  if (!existsSync(GENERATOR)) return `${GENERATOR} is not built: npm run build`
  return undefined
}

async function sluice(lab: Laboratory, kind: 'packet' | 'xdp'): Promise<string> {
  const ports = Object.entries(lab.ports()).map(([name, port]) => [name, { ...port, kind }])
  const virtual = lab.virtualAddress()
  await SluiceProcess.start(lab, {
    ports: Object.fromEntries(ports) as Record<string, LaboratoryPort>,
    pools: { sink: { nodes: [`${lab.serverAddresses()[0]}:${DISCARD}`] } },
    virtualServers: { sink: { listen: `udp://${virtual}:${DISCARD}`, pool: 'sink' } },
  })
  return virtual
}

async function measure({ enter }: Forwarder, { seconds }: MeasureOptions): Promise<Sample[]> {
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1, families: [4] })
  const client = lab.client.namespace
  const server = lab.namespace('srv1')
  await discard(server, 'eth0')
  const [address, gateway] = [await enter(lab), await macAddress(lab.namespace('ctl'), 'ext0')]
  const offer = (duration: number) => generate(lab, client, gateway, address, duration)
  await offer(WARM_UP_SECONDS)
  const before = await received(server)
  const [{ offered, seconds: took }, cpu] = await withCpuSeconds(() => offer(seconds))
  const forwarded = (await received(server)) - before
  return [
    { metric: 'forwarded', value: forwarded / took, loss: Math.max(0, 1 - forwarded / offered) },
    { metric: 'CPU of frames', value: cpu / (forwarded / 1e6), loss: null },
  ]
}

async function generate(
  lab: Laboratory,
  client: Namespace,
  gateway: string,
  address: string,
  seconds: number,
): Promise<{ offered: number; seconds: number }> {
  const args = ['eth0', gateway, lab.client.address(4), address, DISCARD, FLOWS, seconds]
  const { stdout } = await client.exec(GENERATOR, args.map(String))
  return JSON.parse(stdout)
}

async function received(server: Namespace): Promise<number> {
  const { stdout } = await server.exec('cat', ['/proc/net/dev'])
  const packets = /^ *eth0: *\d+ +(\d+) /m.exec(stdout)?.[1]
  if (packets === undefined) throw new Error(`/proc/net/dev says: ${stdout}`)
  return Number(packets)
}

async function macAddress(at: Namespace, device: string): Promise<string> {
  const { stdout } = await at.exec('ip', ['-j', 'link', 'show', 'dev', device])
  return (JSON.parse(stdout) as { address: string }[])[0]?.address as string
}
