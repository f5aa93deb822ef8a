/**
 * `inspect`: a virtual server whose policy sees the first request of each connection, beside proxies
 * that read HTTP.
 */
import { withCpuSeconds } from '../cpu.js'
import { type WrkOptions, wrk } from '../loads/wrk.js'
import { HTTP_PROXIES } from '../peers/http_proxies.js'
import { enterSource } from '../services.js'
import type { MeasureOptions, Sample, Trial } from '../trial.js'
import { type Load, OBJECT, type Site, sluice, subjectsOf, type Variant } from '../variants.js'

const CONNECTIONS = 64
const KINDS = ['packet', 'tap'] as const

/** The policy that the proxies have as rules. */
const inspected = (kind: 'packet' | 'tap'): Variant => ({
  ...sluice(kind, ' inspect'),
  enter: (lab) =>
    enterSource(
      lab,
      `inspect: 'http', policy: ({ http }) => (http.path.startsWith('/api/') ? 'api' : 'web')`,
    ),
})

const load: Load = { tools: ['wrk'], programs: [], measure }

export const inspect: Trial = {
  name: 'inspect',
  about:
    `A policy in TypeScript is told each connection's first request, and says where it goes; the ` +
    `engine carries the rest. wrk with ${CONNECTIONS} connections and ${OBJECT} bytes from nginx, ` +
    'kept alive and closed behind each. Beside it, proxies that read HTTP, and the engine without ' +
    'reading. CPU: of the whole machine, client and server included.',
  metrics: [
    { name: 'requests kept alive', unit: 'requests/s', better: 'higher' },
    { name: 'connections', unit: 'connections/s', better: 'higher' },
    { name: 'CPU of requests', unit: 's/100 000', better: 'lower' },
    { name: 'CPU of connections', unit: 's/1 000', better: 'lower' },
  ],
  runs: 5,
  laboratory: true,
  subjects: async () =>
    subjectsOf([...KINDS.map(inspected), ...HTTP_PROXIES, sluice('packet', ' plain')], load),
  comparisons: KINDS.flatMap((kind) =>
    HTTP_PROXIES.map(({ name }) => ({ subject: `sluice ${kind} inspect`, peer: name })),
  ),
}

async function measure(site: Site, { seconds }: MeasureOptions): Promise<Sample[]> {
  const run = (more: Partial<WrkOptions>) => {
    const url = `http://${site.address}${site.path}`
    const options = { seconds, connections: CONNECTIONS, ...more }
    return withCpuSeconds(() => wrk(site.lab.client.namespace, url, options))
  }
  const [kept, keptCpu] = await run({})
  const [closed, closedCpu] = await run({ headers: { Connection: 'close' } })
  return [
    { metric: 'requests kept alive', value: kept.requestsPerSecond, loss: kept.loss },
    { metric: 'connections', value: closed.requestsPerSecond, loss: closed.loss },
    { metric: 'CPU of requests', value: keptCpu / (kept.requests / 100_000), loss: null },
    { metric: 'CPU of connections', value: closedCpu / (closed.requests / 1000), loss: null },
  ]
}
