/** `short-connections`: a service that answers and closes first, in a pool of few connection blocks. */

import { existsSync } from 'node:fs'
import type { EngineStatus } from '../../src/control/status.js'
import { Laboratory } from '../../src/laboratory/index.js'
import { unavailable } from '../loads/first-packets.js'
import { GENERATOR, lossOf, requests } from '../loads/request-generator.js'
import { startServices } from '../services.js'
import type { Trial } from '../trial.js'

const RATE = 5000
const BLOCKS = 1000
/** Open at once, at most: each needs a block. */
const OPEN = 900

export const shortConnections: Trial = {
  name: 'short-connections',
  about:
    `${RATE} connections/s of one request each, which a service in TypeScript answers and closes ` +
    `first, in a pool of ${BLOCKS} connection blocks: what is closed takes none. ` +
    '`--seconds 60` for a minute. Loss: requests without an answer.',
  metrics: [
    { name: 'answered', unit: 'connections/s', better: 'higher' },
    { name: 'p50', unit: 'µs', better: 'lower' },
    { name: 'p99', unit: 'µs', better: 'lower' },
    { name: 'in TIME-WAIT then', unit: 'entries', better: 'lower' },
  ],
  runs: 3,
  laboratory: true,
  subjects: async () => [
    {
      name: `sluice packet, ${BLOCKS} blocks`,
      unavailable: async () =>
        existsSync(GENERATOR) ? unavailable([]) : `${GENERATOR} is not built: npm run build`,
      async measure({ seconds }) {
        await using lab = await Laboratory.create({
          topology: 'two-arm',
          servers: 1,
          families: [4],
        })
        const services = { 80: "services.answerAndClose('answer')" }
        const engine = await startServices(lab, services, { limits: { connections: BLOCKS } })
        const to = { address: lab.virtualAddress(), port: 80, path: '/' }
        const load = { rate: RATE, seconds, connections: OPEN, connect: true }
        const answers = await requests(lab.client.namespace, to, load)
        const { counters } = await engine.ask<EngineStatus>('status')
        const loss = lossOf(answers)
        return [
          { metric: 'answered', value: answers.achieved, loss },
          { metric: 'p50', value: answers.p50, loss },
          { metric: 'p99', value: answers.p99, loss },
          { metric: 'in TIME-WAIT then', value: counters.ownTimeWait, loss: null },
        ]
      },
    },
  ],
  comparisons: [],
}
