/**
 * The demo itself: sends the clients, prints each part as it becomes known, and gives it all back.
 */
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Engine, EngineStatus } from '../../index.js'
import { isBalanced } from '../packet-balance.js'
import type { Terminal } from '../terminal.js'
import type { DownloadLog, VisitLog } from './client.js'
import type { Farm } from './farm.js'
import { passedBytes, readBytes } from './follow.js'
import { type Plan, planFor } from './plan.js'
import { printDownloads, printOpening, printPackets, printRequests } from './report.js'
import {
  type DemoResult,
  type Download,
  type Followed,
  type Requests,
  shortcomings,
} from './result.js'
import { printFollowed } from './timeline.js'

const downloadBytes = 256 * 1024 * 1024
const followedBytes = 2 * readBytes + 2 * passedBytes

export async function show(farm: Farm, terminal: Terminal): Promise<DemoResult> {
  const { servers, families, topology } = farm.laboratory
  const opening = {
    ports: topology === 'tap' ? ('tap' as const) : ('packet' as const),
    policy: { ...farm.policy, file: inPackage(farm.policy.file) },
    servers: servers.map(({ name }) => name),
  }
  printOpening(terminal, opening)
  const plans = families.map((family) =>
    planFor(family, farm.laboratory.virtualAddress(family), downloadBytes, followedBytes),
  )
  const requests = await makeRequests(farm, plans)
  printRequests(terminal, requests, opening.servers)
  const downloads = await makeDownloads(
    farm,
    plans.map(({ download }) => download),
  )
  printDownloads(terminal, downloads)
  const followed = await follow(farm, plans)
  printFollowed(terminal, followed)
  const { packets, drops } = await settledStatus(farm.engine)
  printPackets(terminal, { packets, drops })
  const shown = { ...opening, requests, downloads, followed, packets, drops }
  return { ok: shortcomings(shown).length === 0, ...shown }
}

async function makeRequests(farm: Farm, plans: readonly Plan[]): Promise<Requests[]> {
  const planned = plans.flatMap(({ visits }) => visits)
  const log = await farm.send({ visits: planned.map(({ errand }) => errand), downloads: [] })
  const status = farm.engine.status()
  return planned.map(({ about }, index) => ({
    ...about,
    decidedBy: deciderOf(status, about.virtualServer),
    ...(log.visits[index] as VisitLog),
  }))
}

function deciderOf({ virtualServers, pools }: EngineStatus, address: string): string {
  const pool = virtualServers.find(({ listen }) => listen === `tcp://${address}`)?.pool
  return pools.find(({ name }) => name === pool)?.balance ?? 'policy'
}

async function makeDownloads(farm: Farm, planned: Plan['download'][]): Promise<Download[]> {
  const log = await farm.send({ visits: [], downloads: planned.map(({ errand }) => errand) })
  return planned.map(({ about }, index) => {
    const one = log.downloads[index] as DownloadLog
    const bitsPerSecond = one.seconds > 0 ? (one.bytes * 8) / one.seconds : 0
    return { ...about, ...one, bitsPerSecond, equal: one.sha256 === one.expected }
  })
}

async function follow(farm: Farm, plans: readonly Plan[]): Promise<Followed[]> {
  const downloads = await makeDownloads(
    farm,
    plans.map(({ followed }) => followed),
  )
  return downloads.map((one) => ({ ...one, spans: farm.follower.spans(one.family) }))
}

const settlingMs = 3000

/** The books are read while the last packets pass: reads them until they are at rest. */
async function settledStatus(engine: Engine): Promise<EngineStatus> {
  const deadline = performance.now() + settlingMs
  while (true) {
    const status = engine.status()
    const settled = isBalanced(status.packets) && status.packets.waiting === 0
    if (settled || performance.now() > deadline) return status
    await delay(20)
  }
}

/** `examples/policy.ts`, wherever the package lies. */
function inPackage(file: string): string {
  return join(basename(dirname(file)), basename(file))
}
