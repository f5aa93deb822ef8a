/** A constant load of short connections: what happens to the engine meanwhile shows in each of them. */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Family, type Laboratory, type LabProcess, until } from '../../src/laboratory/index.js'
import { root } from './repository.js'

export interface FailedConnection {
  /** The client's address and port. */
  client: string
  port: number
  /** Milliseconds since 1970. */
  openedAt: number
  endedAt: number
  /** `ECONNREFUSED`, or `INCOMPLETE` where the server closed without the whole answer. */
  code: string
}

export interface LoadCounts {
  opened: number
  failed: number
  /** Connections by the body that they got. */
  answered: Record<string, number>
}

interface Told {
  ready?: boolean
  failed?: FailedConnection
  counts?: LoadCounts
}

export class OpenLoad {
  readonly failures: FailedConnection[] = []
  private latest: LoadCounts[] = []

  private constructor(private readonly helper: LabProcess) {
    const lines = createInterface({ input: helper.stdout })
    lines.on('line', (line) => {
      const { failed, counts } = JSON.parse(line) as Told
      if (failed) this.failures.push(failed)
      if (counts) this.latest.push(counts)
    })
  }

  /** From now on, `rate` connections a second to the virtual address, its families taking turns. */
  static async start(lab: Laboratory, rate: number, port = 80): Promise<OpenLoad> {
    const targets = lab.families.map((family: Family) => ({
      local: lab.client.address(family),
      host: lab.virtualAddress(family),
    }))
    const load = JSON.stringify({ rate, port, targets, answers: 'srv\\d+\\n' })
    const script = join(root, 'test/helpers/open_load.mjs')
    const helper = await lab.client.namespace.spawn(process.execPath, [script, load])
    const started = new OpenLoad(helper)
    await helper.waitForOutput(/"ready"/)
    return started
  }

  /** What came of it until now. */
  async counts(): Promise<LoadCounts> {
    const known = this.latest.length
    this.helper.write('\n')
    return until('the counts of the load', () => this.latest[known])
  }

  /** Ends it, once everything under way has come to its end. */
  async end(): Promise<LoadCounts> {
    const known = this.latest.length
    this.helper.endInput()
    return until('the end of the load', () => this.latest[known], 30_000)
  }
}
