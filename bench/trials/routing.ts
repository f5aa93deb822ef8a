/** `routing`: each request of a kept connection goes where TypeScript says, beside proxies that do so. */
import { withCpuSeconds } from '../cpu.js'
import { wrk } from '../loads/wrk.js'
import { HTTP_PROXIES } from '../peers/http_proxies.js'
import { enterSource } from '../services.js'
import type { MeasureOptions, Metric, Sample, Trial } from '../trial.js'
import { type Load, OBJECT, type Site, sluice, subjectsOf, type Variant } from '../variants.js'

const CONNECTIONS = 64
/** For bodies of so many bytes fewer of them are enough. */
const LARGE = [
  { name: '1 MB', bytes: 1_000_000, connections: 16 },
  { name: '10 MB', bytes: 10_000_000, connections: 4 },
]
const KINDS = ['packet', 'tap'] as const

const routed = (kind: 'packet' | 'tap'): Variant => ({
  ...sluice(kind, ' router'),
  enter: (lab) =>
    enterSource(
      lab,
      `service: httpRouter(({ target }) => (target.startsWith('/api/') ? 'api' : 'web'))`,
    ),
})

const load: Load = { tools: ['wrk'], programs: [], measure }

export const routing: Trial = {
  name: 'routing',
  about:
    'httpRouter: TypeScript reads the head of each request, picks a pool, and passes the answer on; large bodies ' +
    `pass in the engine. wrk over kept connections, ${CONNECTIONS} of them for ${OBJECT} bytes from nginx, ` +
    'fewer for more, behind a load that is not measured. CPU: of the whole machine, client and server included.',
  metrics: [
    { name: 'requests', unit: 'requests/s', better: 'higher' },
    { name: 'CPU of requests', unit: 's/100 000', better: 'lower' },
    ...LARGE.flatMap(({ name }): Metric[] => [
      { name, unit: 'Gbit/s', better: 'higher' },
      { name: `CPU of ${name}`, unit: 's/GB', better: 'lower' },
    ]),
  ],
  runs: 5,
  laboratory: true,
  subjects: async () => subjectsOf([...KINDS.map(routed), ...HTTP_PROXIES], load),
  comparisons: KINDS.flatMap((kind) =>
    HTTP_PROXIES.map(({ name }) => ({ subject: `sluice ${kind} router`, peer: name })),
  ),
}

async function measure(site: Site, { seconds }: MeasureOptions): Promise<Sample[]> {
  const run = (path: string, connections: number) => {
    const options = { seconds, connections }
    const url = `http://${site.address}${path}`
    return withCpuSeconds(() => wrk(site.lab.client.namespace, url, options))
  }
  // Not measured: JavaScript is compiled while it runs.
  await run(site.path, CONNECTIONS)
  const [small, cpu] = await run(site.path, CONNECTIONS)
  const samples: Sample[] = [
    { metric: 'requests', value: small.requestsPerSecond, loss: small.loss },
    { metric: 'CPU of requests', value: cpu / (small.requests / 100_000), loss: null },
  ]
  for (const { name, bytes, connections } of LARGE) {
    await site.nginx.addFile(bytes)
    const [large, largeCpu] = await run(`/bytes/${bytes}`, connections)
    const speed = (large.bytes * 8) / 1e9 / large.seconds
    samples.push({ metric: name, value: speed, loss: large.loss })
    samples.push({ metric: `CPU of ${name}`, value: largeCpu / (large.bytes / 1e9), loss: null })
  }
  return samples
}
