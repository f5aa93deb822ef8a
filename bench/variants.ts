/** What stands between one client and one server: the engine, and its peers in the same place. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  capabilities,
  type Host,
  type HostCapabilities,
  Laboratory,
  missingTools,
  type TopologyName,
} from '../src/laboratory/index.js'
import { root } from '../test/helpers/repository.js'
import { NginxServer } from '../test/helpers/servers.js'
import { SluiceProcess } from '../test/helpers/sluice-process.js'
import { enterHaproxy, enterNetPipe, enterNginxStream } from './peers/proxies.js'
import type { MeasureOptions, Sample, Subject } from './trial.js'

export const SLUICE = join(root, 'dist/cli/main.js')
export const HTTP_PORT = 80
export const IPERF_PORT = 5201
/** What nginx serves: its size in bytes. */
export const OBJECT = 1024

export interface Variant {
  name: string
  topology: TopologyName
  needs: (keyof HostCapabilities)[]
  tools: string[]
  files?: string[]
  /** Programs of ours that it runs, by their paths. */
  programs?: string[]
  runs?: number | undefined
  /** Puts itself between client and server; returns the address for clients, and an engine to be asked. */
  enter(lab: Laboratory): Promise<string | Entered>
}

export interface Entered {
  address: string
  engine: SluiceProcess
}

/** What a load finds: a server with nginx, a client, and the way between them. */
export interface Site {
  lab: Laboratory
  server: Host
  /** On the server. */
  nginx: NginxServer
  /** Where the client reaches the server. */
  address: string
  port: number
  /** The path of the object. */
  path: string
  /** Where the variant is one, and tells. */
  engine?: SluiceProcess
}

export const VARIANTS: readonly Variant[] = [
  {
    name: 'kernel forwarding',
    runs: 3,
    topology: 'two-arm',
    needs: ['netns'],
    tools: [],
    async enter(lab) {
      await lab.kernelRouter()
      return lab.serverAddresses()[0] as string
    },
  },
  {
    name: 'nftables DNAT',
    topology: 'two-arm',
    needs: ['netns'],
    tools: ['nft'],
    async enter(lab) {
      await lab.kernelNat()
      return lab.virtualAddress()
    },
  },
  sluice('packet'),
  sluice('tap'),
  ...proxies(),
]

/** The engine; `more` keys of its configuration, and what they are called. */
export function sluice(kind: 'packet' | 'tap', suffix = '', more: object = {}): Variant {
  return {
    name: `sluice ${kind}${suffix}`,
    topology: kind === 'tap' ? 'tap' : 'two-arm',
    needs: ['netns', kind === 'tap' ? 'tun' : 'afPacket'],
    tools: [],
    programs: [SLUICE],
    enter: (lab) => enterSluice(lab, more),
  }
}

/** What a user would program instead; far enough off that fewer runs tell. */
function proxies(): Variant[] {
  const common = { topology: 'two-arm' as const, needs: ['netns' as const], runs: 3 }
  const ports = [HTTP_PORT, IPERF_PORT]
  return [
    {
      ...common,
      name: 'HAProxy',
      tools: ['haproxy'],
      enter: (lab) => enterHaproxy(lab, ports),
    },
    {
      ...common,
      name: 'nginx stream',
      tools: ['nginx'],
      files: ['/usr/lib/nginx/modules/ngx_stream_module.so'],
      enter: (lab) => enterNginxStream(lab, ports),
    },
    { ...common, name: 'Node net pipe', tools: [], enter: (lab) => enterNetPipe(lab, ports) },
  ]
}

export interface Load {
  /** Commands that it needs, and programs of ours by their paths. */
  tools: string[]
  programs: string[]
  measure(site: Site, options: MeasureOptions): Promise<Sample[]>
}

/** A subject for each variant: the load is laid upon a site of its own. */
export function subjectsOf(variants: readonly Variant[], load: Load): Subject[] {
  return variants.map((variant) => ({
    name: variant.name,
    runs: variant.runs,
    unavailable: () => unavailable(variant, load),
    async measure(options) {
      await using lab = await Laboratory.create({
        topology: variant.topology,
        servers: 1,
        families: [4],
      })
      const [server] = lab.servers
      if (!server) throw new Error('a laboratory without a server')
      const nginx = await NginxServer.start(lab, server, { accessLog: false })
      await nginx.addFile(OBJECT)
      const entered = await variant.enter(lab)
      const at = typeof entered === 'string' ? { address: entered } : entered
      const site = { lab, server, nginx, ...at, port: HTTP_PORT, path: `/bytes/${OBJECT}` }
      // Awaited here: the laboratory ends with this block.
      return await load.measure(site, options)
    },
  }))
}

async function unavailable(
  { needs, tools, files = [], programs = [] }: Variant,
  load: Load,
): Promise<string | undefined> {
  const missing = missingTools('ip', 'nsenter', 'nginx', ...load.tools, ...tools)
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`
  const absent = files.find((file) => !existsSync(file))
  if (absent) return `${absent} is not there`
  const host = await capabilities()
  const lacking = needs.find((need) => !host[need].available)
  if (lacking) return `${host[lacking].reason}. ${host[lacking].remedy}`
  const unbuilt = [...load.programs, ...programs].find((program) => !existsSync(program))
  return unbuilt && `${unbuilt} is not built: npm run build`
}

async function enterSluice(lab: Laboratory, more: object): Promise<string> {
  const [server] = lab.serverAddresses()
  await SluiceProcess.start(lab, {
    ...more,
    ports: lab.ports(),
    pools: {
      web: { nodes: [`${server}:${HTTP_PORT}`] },
      iperf: { nodes: [`${server}:${IPERF_PORT}`] },
    },
    virtualServers: {
      web: { listen: `tcp://${lab.virtualAddress()}:${HTTP_PORT}`, pool: 'web' },
      iperf: { listen: `tcp://${lab.virtualAddress()}:${IPERF_PORT}`, pool: 'iperf' },
    },
  })
  return lab.virtualAddress()
}
