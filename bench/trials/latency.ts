/**
 * `latency`: how long requests take at a rate that everybody carries. A peak rate says nothing of
 * it, and a client that waits for an answer before it asks again hides the worst.
 */
import { GENERATOR, lossOf, type RequestLoad, requests } from '../loads/request-generator.js'
import type { MeasureOptions, Sample, Trial } from '../trial.js'
import { OBJECT, type Site, subjectsOf, VARIANTS } from '../variants.js'

/**
 * Fixed, for each run is a process that knows no other. Half of what nftables DNAT carries at most
 * on two idle cores: 65 000 to 75 000 requests, 15 000 to 17 000 connections a second.
 */
const REQUESTS = 36_000
const CONNECTIONS = 8_500
const KEPT_ALIVE = 64
/** Far more than are open at once while nothing is wrong. */
const MOST_OPEN = 1024

const SUBJECTS = ['kernel forwarding', 'nftables DNAT', 'sluice packet', 'sluice tap', 'HAProxy']

export const latency: Trial = {
  name: 'latency',
  about:
    `Open load: ${OBJECT} bytes from nginx, ${REQUESTS} requests/s over ${KEPT_ALIVE} connections ` +
    `kept alive, from the planned instant to the whole answer; ${CONNECTIONS} connections/s, to ` +
    'the first byte of the answer: half of the peaks of nftables DNAT. Median tenth: of the p99 of ' +
    'each tenth of a second. Loss: requests without an answer.',
  metrics: ['requests', 'connections'].flatMap((what) =>
    [`p50 of ${what}`, `p99 of ${what}`, `p99 of ${what}, median tenth`].map((name) => ({
      name,
      unit: 'µs',
      better: 'lower' as const,
    })),
  ),
  runs: 7,
  laboratory: true,
  subjects: async () =>
    subjectsOf(
      VARIANTS.filter(({ name }) => SUBJECTS.includes(name)),
      { tools: [], programs: [GENERATOR], measure },
    ),
  comparisons: ['sluice packet', 'sluice tap'].map((subject) => ({
    subject,
    peer: 'nftables DNAT',
  })),
}

async function measure(site: Site, { seconds }: MeasureOptions): Promise<Sample[]> {
  const kept = { rate: REQUESTS, connections: KEPT_ALIVE, connect: false, seconds }
  const opened = { rate: CONNECTIONS, connections: MOST_OPEN, connect: true, seconds }
  return [...(await delays(site, kept, 'requests')), ...(await delays(site, opened, 'connections'))]
}

async function delays(site: Site, load: RequestLoad, what: string): Promise<Sample[]> {
  const answers = await requests(site.lab.client.namespace, site, load)
  const loss = lossOf(answers)
  return [
    { metric: `p50 of ${what}`, value: answers.p50, loss },
    { metric: `p99 of ${what}`, value: answers.p99, loss },
    { metric: `p99 of ${what}, median tenth`, value: answers.median_p99, loss },
  ]
}
